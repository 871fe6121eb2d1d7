//! Valid and invalid requests of mosaik to a simulator.

use std::collections::BTreeMap;

use aiomas_core::wire::{Budget, CodecContext, Envelope, Format, Kind, Payload};
use aiomas_mosaik::{
    ApiVersion, Arguments, Data, End, Entity, Error, Inputs, Meta, Model, Mosaik, Outputs,
    RemoteError, Result, Simulator, Stepping, Time, Value, value,
};
use bytes::Bytes;

use crate::message;
use crate::mosaik::RawMosaik;
use crate::scripted_runtime::ScriptedRuntime;

/// The maximum number of entities.
const MOST: usize = 100;

/// Sends each line to a simulator, as the content of a request. A line after `#` is a raw message.
/// The first byte chooses the simulator, the second one the behaviour of the stream.
///
/// # Panics
/// The simulator panics, a request lacks its one expected answer, or state remains.
pub fn mosaik(data: &[u8]) {
    let [setup, pace, data @ ..] = data else { return };
    let version = if setup & 1 == 0 { ApiVersion::V3_0 } else { ApiVersion::V2_2 };
    let stepping = if setup & 2 == 0 { Stepping::TimeBased } else { Stepping::Hybrid };
    let runtime = ScriptedRuntime::new((0..64).map(|step: u8| step.wrapping_mul(*pace)));
    let mosaik = RawMosaik::connect(runtime, Things::new(version, stepping));
    let mut model = Simulation::new(version, stepping);
    let mut expected = Vec::new();
    let mut said = Vec::new();
    for (id, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let id = message::encoded(Format::Json, &id);
        let frame = match line.strip_prefix(b"#") {
            Some(message) => message::frame(message),
            None => message::raw(Format::Json, message::REQUEST, &id, line),
        };
        mosaik.send(&frame);
        expected.extend(model.take(&message::payloads(&frame)[0]));
        // All at once, or one after the other.
        if setup & 4 == 0 {
            said.extend(mosaik.receive());
            assert_eq!(said.len(), expected.len());
        }
    }
    said.extend(mosaik.receive());
    for (said, expected) in said.iter().zip(&expected) {
        expected.check(said);
    }
    // An invalid message ends the connection, before all earlier requests are answered.
    assert!(said.len() <= expected.len());
    assert!(said.len() == expected.len() || model.broken, "{said:?} {expected:?}");
    assert_eq!(mosaik.is_closed(), model.broken || model.stopped);
    let end = mosaik.end();
    match (&end, model.broken, model.stopped, model.failed) {
        // An invalid message after `stop` may or may not arrive in time.
        (Err(Error::Lost(_)), true, ..)
        | (Ok(End::Stopped), true, true, _)
        | (Ok(End::Stopped), false, true, None)
        | (Ok(End::Gone), false, false, None) => {}
        (Err(Error::Failed { function, .. }), broken, stopped, Some(failed))
            if stopped || !broken =>
        {
            assert_eq!(*function, failed);
        }
        other => panic!("{other:?}"),
    }
}

/// An expected answer.
#[derive(Debug)]
struct Expected {
    id: Bytes,
    /// The known part of a result, or `None` for a failure.
    result: Option<Option<Value>>,
}

fn payload(bytes: Bytes) -> Payload {
    Payload::new(Format::Json, bytes, CodecContext::default())
}

impl Expected {
    fn check(&self, said: &Bytes) {
        let envelope = Envelope::parse(Format::Json, said.clone(), Budget::default());
        let Envelope { kind, content, .. } = envelope.expect("a message");
        let start = said.split(|byte| *byte == b',').nth(1).expect("an id").trim_ascii();
        assert!(self.id.starts_with(start), "{said:?} is no answer to {:?}", self.id);
        let content = payload(content);
        match &self.result {
            Some(result) => {
                assert_eq!(kind, Kind::Result, "{said:?}");
                if let Some(result) = result {
                    let content = content.decode::<Value>().expect("a value");
                    // The value may be NaN.
                    assert_eq!(format!("{content:?}"), format!("{result:?}"));
                }
            }
            None => {
                assert_eq!(kind, Kind::Failure, "{said:?}");
                assert!(content.decode::<Vec<String>>().expect("a list of strings").len() >= 2);
            }
        }
    }
}

type Keywords = BTreeMap<String, Value>;

/// The model of a simulation.
struct Simulation {
    newer: bool,
    time_based: bool,
    started: bool,
    entities: usize,
    stopped: bool,
    /// An invalid message has arrived.
    broken: bool,
    failed: Option<String>,
}

impl Simulation {
    fn new(version: ApiVersion, stepping: Stepping) -> Self {
        Self {
            newer: version >= ApiVersion::V3_0,
            time_based: stepping == Stepping::TimeBased,
            started: false,
            entities: 0,
            stopped: false,
            broken: false,
            failed: None,
        }
    }

    /// Returns the expected answer to a message.
    fn take(&mut self, message: &Bytes) -> Option<Expected> {
        if self.broken {
            return None;
        }
        let envelope = Envelope::parse(Format::Json, message.clone(), Budget::default());
        let json = message.first().is_some_and(|first| b"[ \t\r\n".contains(first));
        let envelope = envelope.ok().filter(|_| json);
        let content = match envelope {
            Some(Envelope { kind: Kind::Extension(_), .. }) => return None,
            Some(Envelope { kind: Kind::Request, content, .. }) => content,
            // An invalid message, or an answer without a request.
            _ => {
                self.broken = true;
                return None;
            }
        };
        if self.stopped {
            return None;
        }
        let id = message.splitn(2, |byte| *byte == b',').nth(1).unwrap_or_default();
        let id = Bytes::copy_from_slice(id.trim_ascii_start());
        let content = payload(content);
        let name = content.decode::<Vec<Value>>().ok();
        let name =
            name.as_ref().filter(|triple| triple.len() == 3).and_then(|triple| triple[0].as_str());
        let function = name.unwrap_or("?").to_owned();
        if function == "stop" {
            self.stopped = true;
            return None;
        }
        let call = content.decode::<(String, Vec<Value>, Keywords)>().ok();
        let result = call.and_then(|(function, args, kwargs)| self.call(&function, &args, kwargs));
        if result.is_none() && self.failed.is_none() && !(self.started && function == "echo") {
            self.failed = Some(function);
        }
        Some(Expected { id, result })
    }

    /// Returns the result of a call, unless it fails.
    fn call(&mut self, function: &str, args: &[Value], kwargs: Keywords) -> Option<Option<Value>> {
        let bind = |names: &[&str], required: usize| bind(args, &kwargs, names, required);
        match function {
            "init" if !self.started => {
                let bound = bind(&["sid", "time_resolution"], 1)?;
                bound[0].as_ref()?.as_str()?;
                if let Some(resolution) = &bound[1] {
                    resolution.decode::<f64>(&CodecContext::default()).ok()?;
                }
                self.started = true;
                Some(None)
            }
            _ if !self.started => None,
            "create" => {
                let bound = bind(&["num", "model"], 2)?;
                let num = usize::try_from(bound[0].as_ref()?.as_u64()?).ok()?;
                let fits = bound[1].as_ref()?.as_str()? == "Thing" && self.entities + num <= MOST;
                self.entities += if fits { num } else { 0 };
                fits.then_some(None)
            }
            "setup_done" => bind(&[], 0).map(|_| Some(Value::Null)),
            "step" => {
                let names = if self.newer {
                    &["time", "inputs", "max_advance"][..]
                } else {
                    &["time", "inputs"]
                };
                let bound = bind(names, names.len())?;
                let time = bound[0].as_ref()?.as_i64()?;
                let inputs = bound[1].as_ref()?.decode::<Inputs>(&CodecContext::default()).ok()?;
                if self.newer {
                    bound[2].as_ref()?.as_i64()?;
                }
                self.knows(inputs.0.keys())?;
                match time.checked_add(1) {
                    None if self.time_based => None,
                    next => Some(Some(next.map_or(Value::Null, Value::from))),
                }
            }
            "get_data" => {
                let outputs = bind(&["outputs"], 1)?[0]
                    .as_ref()?
                    .decode::<Outputs>(&CodecContext::default())
                    .ok()?;
                self.knows(outputs.0.keys())?;
                Some(None)
            }
            "echo" if args.is_empty() => Some(value(&kwargs).ok()),
            _ => None,
        }
    }

    fn knows<'a>(&self, mut eids: impl Iterator<Item = &'a String>) -> Option<()> {
        eids.all(|eid| (0..self.entities).any(|number| *eid == format!("thing_{number}")))
            .then_some(())
    }
}

/// Binds arguments like Python.
fn bind(
    args: &[Value],
    kwargs: &Keywords,
    names: &[&str],
    required: usize,
) -> Option<Vec<Option<Value>>> {
    if args.len() > names.len() {
        return None;
    }
    let mut bound: Vec<_> = args.iter().cloned().map(Some).collect();
    bound.resize(names.len(), None);
    for (name, value) in kwargs {
        let index = names.iter().position(|other| other == name)?;
        if bound[index].replace(value.clone()).is_some() {
            return None;
        }
    }
    bound[..required].iter().all(Option::is_some).then_some(bound)
}

/// A simulator with entities called things.
#[derive(Debug)]
struct Things {
    version: ApiVersion,
    stepping: Stepping,
    count: usize,
}

impl Things {
    const fn new(version: ApiVersion, stepping: Stepping) -> Self {
        Self { version, stepping, count: 0 }
    }
}

impl Simulator for Things {
    async fn init(&mut self, _: &str, _: f64, params: Arguments<'_>) -> Result<Meta> {
        params.parse::<()>()?;
        let meta = Meta::new(self.stepping).api_version(self.version);
        Ok(meta.model("Thing", Model::public().attrs(["x"])).extra_methods(["echo"]))
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        params.parse::<()>()?;
        if self.count + num > MOST {
            return Err(RemoteError::value_error("there is no room"));
        }
        let numbers = self.count..self.count + num;
        self.count += num;
        Ok(numbers.map(|number| Entity::new(format!("thing_{number}"), model)).collect())
    }

    async fn step(&mut self, time: Time, _: Inputs, _: Time, _: &Mosaik) -> Result<Option<Time>> {
        Ok(time.checked_add(1))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        outputs.fill(|_, attr| Ok(attr.into()))
    }

    async fn extra_method(
        &mut self,
        _: &str,
        arguments: Arguments<'_>,
        _: &Mosaik,
    ) -> Result<Value> {
        value(&arguments.parse::<BTreeMap<String, Value>>()?)
    }
}
