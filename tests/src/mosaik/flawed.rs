//! A simulator with one flaw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aiomas_mosaik::{
    ApiVersion, Arguments, Data, Entity, EntityInfo, Inputs, Meta, Model, Mosaik, Outputs,
    RemoteError, Result, Simulator, Stepping, Time, Value, simulator,
};

/// The flaw of a simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No flaw.
    None,
    /// Its description is invalid.
    Meta,
    /// It creates one entity too few.
    TooFew,
    /// It creates an entity of another model.
    OtherModel,
    /// It creates a child of an unknown model.
    NoModel,
    /// It creates entities with the same id.
    SameId,
    /// `setup_done` fails.
    SetupDone,
    /// The step at time 2 fails.
    Step,
    /// The step at time 2 panics.
    Panics,
    /// The step at time 2 calls mosaik with an unknown entity, and fails.
    Callback,
    /// The next step after time 2 is at time 2.
    SameTime,
    /// The step at time 2 requests no next step.
    NoNextStep,
    /// `get_data` fails.
    GetData,
    /// The value at time 2 cannot be encoded in JSON.
    NoJson,
    /// It never ends a step.
    Hangs,
}

/// A simulator whose attribute `x` is the time. Its extra methods have parameters of all kinds.
#[derive(Debug)]
pub struct Flawed {
    flaw: Flaw,
    version: ApiVersion,
    stepping: Stepping,
    time: Time,
    count: usize,
    finalized: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Flawed {
    /// Creates a time-based simulator for the newest version of the API.
    #[must_use]
    pub fn new(flaw: Flaw) -> Self {
        let (version, stepping) = (ApiVersion::V3_0, Stepping::TimeBased);
        let (finalized, hangs) = <(Arc<_>, Arc<_>)>::default();
        Self { flaw, version, stepping, time: 0, count: 0, finalized, hangs }
    }

    /// Selects another version of the API.
    #[must_use]
    pub fn version(self, version: ApiVersion) -> Self {
        Self { version, ..self }
    }

    /// Selects another type of stepping.
    #[must_use]
    pub fn stepping(self, stepping: Stepping) -> Self {
        Self { stepping, ..self }
    }

    /// Returns a flag that is set when the simulator is finalized.
    #[must_use]
    pub fn finalized(&self) -> Arc<AtomicBool> {
        self.finalized.clone()
    }

    /// Returns a flag that is set when the simulator hangs.
    #[must_use]
    pub fn hangs(&self) -> Arc<AtomicBool> {
        self.hangs.clone()
    }

    fn fail<T>(&self, flaw: Flaw, or: T) -> Result<T> {
        if self.flaw == flaw { Err(RemoteError::new("FlawError", "on purpose")) } else { Ok(or) }
    }
}

#[simulator]
impl Simulator for Flawed {
    async fn init(&mut self, _sid: &str, _: f64, params: Arguments<'_>) -> Result<Meta> {
        params.parse::<()>()?;
        let mut thing = Model::public().attrs(["x"]);
        if self.flaw == Flaw::Meta {
            thing = thing.trigger(["y"]);
        }
        let meta = Meta::new(self.stepping).api_version(self.version).model("Thing", thing);
        Ok(meta)
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        params.parse::<()>()?;
        let count = num - usize::from(self.flaw == Flaw::TooFew);
        let model = if self.flaw == Flaw::OtherModel { "Other" } else { model };
        let mut entities = Vec::new();
        for _ in 0..count {
            let entity = Entity::new(format!("thing_{}", self.count), model);
            entities.push(match self.flaw {
                Flaw::NoModel => entity.child(Entity::new("child", "None")),
                Flaw::SameId => entity.child(Entity::new("thing_0", "Thing")),
                _ => entity,
            });
            self.count += 1;
        }
        Ok(entities)
    }

    async fn setup_done(&mut self, _mosaik: &Mosaik) -> Result<()> {
        self.fail(Flaw::SetupDone, ())
    }

    async fn step(
        &mut self,
        time: Time,
        _inputs: Inputs,
        max_advance: Time,
        mosaik: &Mosaik,
    ) -> Result<Option<Time>> {
        assert!(max_advance >= time);
        assert_eq!(self.version < ApiVersion::V3_0, max_advance == time, "at {time}");
        self.time = time;
        if time < 2 {
            return Ok(Some(time + 1));
        }
        match self.flaw {
            Flaw::Panics => panic!("the thing is broken"),
            Flaw::Callback => {
                mosaik.get_related_entities("No.body").await?;
            }
            Flaw::SameTime => return Ok(Some(time)),
            Flaw::NoNextStep => return Ok(None),
            Flaw::Hangs => {
                self.hangs.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
            _ => {}
        }
        self.fail(Flaw::Step, Some(time + 1))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        self.fail(Flaw::GetData, ())?;
        outputs.fill(|_, _| match (self.flaw, self.time) {
            (Flaw::NoJson, 2) => Ok(Value::Bytes(vec![1])),
            (_, time) => Ok(time.into()),
        })
    }

    #[expose(name = "version")]
    fn api_version(&self) -> String {
        self.version.to_string()
    }

    /// `def tag(self, name, *more, sep, count=1, **options)`
    #[expose]
    fn tag(
        &self,
        name: String,
        #[args] more: Vec<i64>,
        #[arg(keyword)] sep: String,
        #[arg(keyword, name = "count")]
        #[default = 1]
        _times: usize,
        #[kwargs] options: BTreeMap<String, Value>,
    ) -> Result<String> {
        if options.contains_key("fail") {
            return Err(RemoteError::new("FlawError", "on purpose"));
        }
        let names = options.into_keys().map(|key| key.to_uppercase());
        let more = more.iter().map(i64::to_string).chain(names);
        let all: Vec<_> = [name].into_iter().chain(more).collect();
        Ok(all.join(&sep).repeat(_times))
    }

    #[expose(name = "type")]
    async fn type_of(
        &self,
        #[context] mosaik: &Mosaik,
        entity: String,
    ) -> Result<BTreeMap<String, EntityInfo>> {
        Ok(mosaik.get_related_entities(&entity).await?)
    }

    async fn finalize(&mut self) {
        self.finalized.store(true, Ordering::SeqCst);
    }
}
