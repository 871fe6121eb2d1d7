//! The handling of mosaik's requests, and their permitted order.

use std::any::Any;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use aiomas::panics;
use aiomas_core::rpc::{self, Parameter, Signature};
use aiomas_core::wire::{Payload, RemoteError};
use serde::Serialize;

use crate::{
    ApiVersion, Arguments, Data, Entity, Inputs, Meta, Mosaik, Outputs, Result, Simulator, Time,
    Value,
};

/// The most entities of a simulator.
pub const MAX_ENTITIES: usize = 1 << 24;

const INIT: &[Parameter] = &[Parameter::required("sid"), Parameter::optional("time_resolution")];
const CREATE: &[Parameter] = &[Parameter::required("num"), Parameter::required("model")];
const STEP: &[Parameter] = &[
    Parameter::required("time"),
    Parameter::required("inputs"),
    Parameter::required("max_advance"),
];
const GET_DATA: &[Parameter] = &[Parameter::required("outputs")];

/// A simulator and the state of its simulation.
#[derive(Debug)]
pub(crate) struct Session<S> {
    pub(crate) simulator: S,
    mosaik: Mosaik,
    /// The state after `init`.
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    meta: Meta,
    entities: HashSet<String>,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Meta(Meta),
    Entities(Vec<Entity>),
    Nothing(()),
    Time(Option<Time>),
    Data(Data),
    Value(Value),
}

impl<S: Simulator> Session<S> {
    pub(crate) const fn new(simulator: S, mosaik: Mosaik) -> Self {
        Self { simulator, mosaik, started: None }
    }

    /// Returns `true` if a failure of `function` fails the simulation. Extra methods do not.
    pub(crate) fn is_vital(&self, function: &str) -> bool {
        !self.started.as_ref().is_some_and(|started| started.is_extra(function))
    }

    /// Answers a request other than `stop`.
    pub(crate) async fn answer(&mut self, request: &rpc::Request<'_>) -> Result<Answer> {
        let (function, arguments) = (request.path.as_str(), &request.arguments);
        let Self { simulator, mosaik, started } = self;
        let Some(started) = started else {
            if function != "init" {
                return Err(not_initialized(function));
            }
            let bound = arguments.bind(&Signature::new("init", INIT).with_args().with_kwargs())?;
            let sid = bound.required::<String>(0)?;
            // Versions before 3 do not send it.
            let resolution = bound.optional(1)?.unwrap_or(1.0);
            let params = Arguments::new("init", INIT, arguments);
            let mut meta = guarded(simulator.init(&sid, resolution, params)).await?;
            for name in S::EXTRA_METHODS {
                if !meta.extra_methods.iter().any(|known| known == name) {
                    meta.extra_methods.push((*name).to_owned());
                }
            }
            meta.check()?;
            *started = Some(Started { meta: meta.clone(), entities: HashSet::new() });
            return Ok(Answer::Meta(meta));
        };
        match function {
            "init" => Err(error("init() was called a second time")),
            "create" => {
                let bound =
                    arguments.bind(&Signature::new("create", CREATE).with_args().with_kwargs())?;
                let (num, model) = (bound.required(0)?, bound.required::<String>(1)?);
                started.check_create(num, &model)?;
                let params = Arguments::new("create", CREATE, arguments);
                let entities = guarded(simulator.create(num, &model, params)).await?;
                started.add(num, &model, &entities)?;
                Ok(Answer::Entities(entities))
            }
            "setup_done" => {
                arguments.bind(&Signature::new("setup_done", &[]))?;
                guarded(simulator.setup_done(mosaik)).await?;
                Ok(Answer::Nothing(()))
            }
            "step" => {
                let newer = started.meta.api_version >= ApiVersion::V3_0;
                let signature = Signature::new("step", if newer { STEP } else { &STEP[..2] });
                let bound = arguments.bind(&signature)?;
                let (time, inputs) = (bound.required(0)?, bound.required::<Inputs>(1)?);
                let max_advance = if newer { bound.required(2)? } else { time };
                started.check_entities("step", inputs.0.keys())?;
                let next = guarded(simulator.step(time, inputs, max_advance, mosaik)).await?;
                started.check_next(time, next)?;
                Ok(Answer::Time(next))
            }
            "get_data" => {
                let bound = arguments.bind(&Signature::new("get_data", GET_DATA))?;
                let outputs = bound.required::<Outputs>(0)?;
                started.check_entities("get_data", outputs.0.keys())?;
                guarded(simulator.get_data(outputs)).await.map(Answer::Data)
            }
            extra if started.is_extra(extra) => {
                let arguments = Arguments::new(extra, &[], arguments);
                guarded(simulator.extra_method(extra, arguments, mosaik)).await.map(Answer::Value)
            }
            other => Err(RemoteError::new(
                "AttributeError",
                format_args!("the simulator has no function \"{other}\""),
            )),
        }
    }
}

/// Returns the name of the called function, for the log.
pub(crate) fn function_of(request: &Payload) -> String {
    match rpc::Request::parse(request) {
        Ok(request) => request.path.as_str().to_owned(),
        Err(_) => "?".to_owned(),
    }
}

impl Started {
    fn is_extra(&self, function: &str) -> bool {
        self.meta.extra_methods.iter().any(|name| name == function)
    }

    fn check_create(&self, num: usize, model: &str) -> Result<()> {
        if !self.meta.models.get(model).is_some_and(|model| model.public) {
            let public = self.meta.models.iter().filter(|(_, model)| model.public);
            let names: Vec<_> = public.map(|(name, _)| format!("\"{name}\"")).collect();
            return Err(RemoteError::value_error(format_args!(
                "create(): there is no public model \"{model}\"; those that there are: {}",
                names.join(", ")
            )));
        }
        let room = MAX_ENTITIES.saturating_sub(self.entities.len());
        if num > room {
            return Err(RemoteError::value_error(format_args!(
                "create(): {num} entities more are too many; {MAX_ENTITIES} may be there (`MAX_ENTITIES`)"
            )));
        }
        Ok(())
    }

    /// Records created entities, with the checks of mosaik.
    fn add(&mut self, num: usize, model: &str, entities: &[Entity]) -> Result<()> {
        if entities.len() != num {
            return Err(error(format_args!(
                "create(): {num} entities of \"{model}\" were wanted, and {} were created",
                entities.len()
            )));
        }
        if let Some(entity) = entities.iter().find(|entity| entity.model != model) {
            return Err(error(format_args!(
                "create(): the entity \"{}\" is of \"{}\", but \"{model}\" was wanted",
                entity.eid, entity.model
            )));
        }
        let mut rest: Vec<&Entity> = entities.iter().collect();
        while let Some(entity) = rest.pop() {
            if !self.meta.models.contains_key(&entity.model) {
                return Err(error(format_args!(
                    "create(): the entity \"{}\" is of \"{}\", which is no model",
                    entity.eid, entity.model
                )));
            }
            if !self.entities.insert(entity.eid.clone()) {
                return Err(error(format_args!(
                    "create(): there is an entity \"{}\" already",
                    entity.eid
                )));
            }
            rest.extend(&entity.children);
        }
        Ok(())
    }

    fn check_entities<'a>(
        &self,
        function: &str,
        mut eids: impl Iterator<Item = &'a String>,
    ) -> Result<()> {
        match eids.find(|eid| !self.entities.contains(*eid)) {
            None => Ok(()),
            Some(eid) => Err(RemoteError::new(
                "KeyError",
                format_args!("{function}(): there is no entity \"{eid}\""),
            )),
        }
    }

    fn check_next(&self, time: Time, next: Option<Time>) -> Result<()> {
        match next {
            Some(next) if next > time => Ok(()),
            Some(next) => Err(error(format_args!(
                "step(): the next step has to be later than {time}, and is to be at {next}"
            ))),
            None if self.meta.stepping == crate::Stepping::TimeBased => {
                Err(error("step(): a time-based simulator always has a next step"))
            }
            None => Ok(()),
        }
    }
}

/// Returns the failure of a request before `init`.
pub(crate) fn not_initialized(function: &str) -> RemoteError {
    error(format_args!("{function}() was called before init()"))
}

fn error(message: impl std::fmt::Display) -> RemoteError {
    RemoteError::new("RuntimeError", message)
}

/// Runs user code. A panic becomes a failure.
async fn guarded<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    })
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> RemoteError {
    panics::contained(panic);
    RemoteError::panic(panics::text(panic))
}
