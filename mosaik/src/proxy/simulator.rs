//! A simulator from the scenario's side.

use std::collections::{BTreeMap, HashSet};
use std::process::ExitStatus;
use std::time::Duration;

use aiomas::Runtime;
use aiomas::channel::Channel;
use aiomas_core::connection::Close;
use aiomas_core::wire::{Printable, Value};
use futures_lite::future::or;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::callbacks;
use super::process::Process;
use super::start::Connected;
use super::world::World;
use crate::profile::{NONE, Request, within};
use crate::{ApiVersion, Data, Entity, Error, Inputs, Meta, Outputs, Stepping, Time, value};

/// The time a simulator has to close the connection after `stop`.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);
/// The time the process of a simulator has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A simulator that a scenario drives. Its [world](World) answers its callbacks.
///
/// The answers are checked as mosaik checks them, and more strictly: a wrong one is an [`Error::Answer`] that describes
/// the defect. Dropping the proxy closes the connection, and kills a process that was started.
///
/// # Cancel safety
/// Dropping the future of a call cancels the call; the simulator itself continues.
#[derive(Debug)]
pub struct SimulatorProxy<R, W> {
    runtime: R,
    channel: Channel,
    process: Option<Process>,
    world: W,
    sid: String,
    meta: Meta,
    entities: HashSet<String>,
    /// The time of the last step.
    time: Option<Time>,
}

impl<R: Runtime> Connected<R> {
    /// Initializes the simulator with the id `sid`.
    ///
    /// `params` are the simulator's own parameters, a map or a struct. `world` answers its callbacks.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails, and [`Error::Answer`] if its description is inconsistent,
    /// or of an unsupported version.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, and kills a process that was started.
    pub async fn init<W: World>(
        self,
        sid: &str,
        time_resolution: f64,
        params: &(impl Serialize + Sync + ?Sized),
        world: W,
    ) -> Result<SimulatorProxy<R, W>, Error> {
        SimulatorProxy::init(self, sid, time_resolution, params, world).await
    }
}

impl<R: Runtime, W: World> SimulatorProxy<R, W> {
    async fn init(
        connected: Connected<R>,
        sid: &str,
        time_resolution: f64,
        params: &(impl Serialize + Sync + ?Sized),
        world: W,
    ) -> Result<Self, Error> {
        let Connected { runtime, channel, process } = connected;
        let meta = Meta::new(Stepping::TimeBased);
        let (sid, entities) = (sid.to_owned(), HashSet::new());
        let mut this = Self { runtime, channel, process, world, sid, meta, entities, time: None };
        let mut kwargs = BTreeMap::from([("time_resolution".to_owned(), time_resolution.into())]);
        kwargs.extend(this.keywords("init", params)?);
        let sid = this.sid.clone();
        this.meta = this.request("init", [sid], kwargs).await?;
        if let Err(error) = this.meta.check() {
            return Err(this.wrong("init", error.message()));
        }
        Ok(this)
    }

    /// Returns the id of the simulator.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Returns the description of the simulator.
    #[must_use]
    pub const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Returns the world that answers the simulator.
    pub const fn world(&mut self) -> &mut W {
        &mut self.world
    }

    /// Creates entities of a model. Parameters are a map or a struct.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails, and [`Error::Answer`] if its answer is wrong.
    pub async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: &(impl Serialize + Sync + ?Sized),
    ) -> Result<Vec<Entity>, Error> {
        let kwargs = self.keywords("create", params)?;
        let entities: Vec<Entity> = self.request("create", (num, model), kwargs).await?;
        if entities.len() != num {
            let why = format!("{num} entities were wanted, and {} came", entities.len());
            return Err(self.wrong("create", why));
        }
        if let Some(entity) = entities.iter().find(|entity| entity.model != model) {
            let why = format!(
                "\"{}\" is of \"{}\", and not of \"{model}\"",
                Printable(&entity.eid),
                Printable(&entity.model)
            );
            return Err(self.wrong("create", why));
        }
        let mut rest: Vec<&Entity> = entities.iter().collect();
        while let Some(entity) = rest.pop() {
            if !self.entities.insert(entity.eid.clone()) {
                return Err(self.wrong(
                    "create",
                    format!("there are two entities \"{}\"", Printable(&entity.eid)),
                ));
            }
            rest.extend(&entity.children);
        }
        Ok(entities)
    }

    /// Reports that all entities exist. Simulators of a version before 2.2 are not called.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails.
    pub async fn setup_done(&mut self) -> Result<(), Error> {
        if self.meta.api_version < ApiVersion::V2_2 {
            return Ok(());
        }
        self.request::<Value>("setup_done", NONE, BTreeMap::new()).await?;
        Ok(())
    }

    /// Runs one step, and returns the time of the next one.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails. Returns [`Error::Answer`] if the next time is not an
    /// integer, is not later than this step, or is missing although the simulator is time-based.
    pub async fn step(
        &mut self,
        time: Time,
        inputs: &Inputs,
        max_advance: Time,
    ) -> Result<Option<Time>, Error> {
        let kwargs = BTreeMap::new();
        let next: Value = if self.meta.api_version < ApiVersion::V3_0 {
            self.request("step", (time, inputs), kwargs).await?
        } else {
            self.request("step", (time, inputs, max_advance), kwargs).await?
        };
        self.time = Some(time);
        if next.is_null() {
            return match self.meta.stepping {
                Stepping::TimeBased => {
                    Err(self.wrong("step", "time-based simulators always have a next step"))
                }
                Stepping::EventBased | Stepping::Hybrid => Ok(None),
            };
        }
        match next.as_i64() {
            Some(next) if next > time => Ok(Some(next)),
            Some(next) => Err(self.wrong("step", format!("{next} is not later than {time}"))),
            None => Err(self.wrong(
                "step",
                format!("the next time is no integer, but {}", Printable(format_args!("{next:?}"))),
            )),
        }
    }

    /// Gets values of attributes.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails, and [`Error::Answer`] if the values are of entities that
    /// were never created, or earlier than the last step.
    pub async fn get_data(&mut self, outputs: &Outputs) -> Result<Data, Error> {
        let data: Data = self.request("get_data", [outputs], BTreeMap::new()).await?;
        if let Some(eid) = data.values.keys().find(|eid| !self.entities.contains(*eid)) {
            return Err(
                self.wrong("get_data", format!("there is no entity \"{}\"", Printable(eid)))
            );
        }
        match (data.time, self.time) {
            (Some(output), Some(step)) if output < step => {
                Err(self.wrong("get_data", format!("the output time {output} is before {step}")))
            }
            _ => Ok(data),
        }
    }

    /// Calls an extra method of the simulator.
    ///
    /// Positional arguments are an array or a tuple, or `[(); 0]`; keyword arguments are a map or a struct, or `()`.
    ///
    /// # Errors
    /// Returns [`Error::Simulator`] if the simulator fails.
    pub async fn extra_method<T: DeserializeOwned>(
        &mut self,
        method: &str,
        args: impl Serialize + Send,
        kwargs: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Error> {
        let kwargs = self.keywords(method, kwargs)?;
        self.request(method, args, kwargs).await
    }

    /// Stops the simulator, and returns the exit status of a process that was started.
    ///
    /// The process has ten seconds to end before it is killed.
    ///
    /// # Errors
    /// Returns [`Error::Process`] if the state of the process cannot be determined.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, and kills a process that was started.
    pub async fn stop(mut self) -> Result<Option<ExitStatus>, Error> {
        // The simulator need not answer.
        let unanswered = self.channel.send::<Value>(&Request::new("stop", NONE));
        let closed = within(&self.runtime, CLOSES_WITHIN, self.channel.closed()).await;
        drop(unanswered);
        if closed.is_none() {
            self.channel.close_with(Close::Now);
            self.channel.closed().await;
        }
        match self.process.take() {
            Some(process) => Ok(Some(process.end(&self.runtime, ENDS_WITHIN).await?)),
            None => Ok(None),
        }
    }

    /// Calls a function, and answers callbacks of the simulator until the answer arrives.
    async fn request<T: DeserializeOwned>(
        &mut self,
        function: &str,
        args: impl Serialize,
        kwargs: BTreeMap<String, Value>,
    ) -> Result<T, Error> {
        let call = self.channel.send(&Request(function, args, kwargs));
        let (channel, world) = (&self.channel, &mut self.world);
        let callbacks = async {
            while let Some(request) = channel.recv().await {
                callbacks::serve(world, request).await;
            }
            // The call reports why no more callbacks arrive.
            std::future::pending().await
        };
        let answer = or(call, callbacks).await;
        answer.map_err(|error| match error {
            aiomas::Error::Answer(why) => self.wrong(function, why.to_string()),
            error => {
                let (simulator, function) = (self.sid.clone(), function.to_owned());
                Error::Simulator { simulator, function, error: Box::new(error) }
            }
        })
    }

    /// Converts a map or nothing to keyword arguments.
    fn keywords(
        &self,
        function: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<BTreeMap<String, Value>, Error> {
        let map = value(params).and_then(|params| match params {
            Value::Null => Ok(BTreeMap::new()),
            params => params
                .decode(&Default::default())
                .map_err(aiomas_core::wire::RemoteError::type_error),
        });
        map.map_err(|error| Error::Simulator {
            simulator: self.sid.clone(),
            function: function.to_owned(),
            error: Box::new(error.into()),
        })
    }

    fn wrong(&self, function: &str, why: impl Into<String>) -> Error {
        let (simulator, function) = (self.sid.clone(), function.to_owned());
        Error::Answer { simulator, function, why: why.into() }
    }
}
