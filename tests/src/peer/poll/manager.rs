//! The manager, which spawns agents on request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::{
    Arguments, Caller, Outcome, Parameter, Request, Service, ServiceDict, ServiceRef, Signature,
    encode_call,
};
use aiomas_core::wire::{Payload, RemoteError, Value};

use super::agents::set_time;
use crate::host::{Host, Later, LaterFunctions};
use crate::peer::manager::{CREATE, SPAWNED, label};

/// Returns a manager that sets `stopped` on a request to stop.
pub(super) fn manager(
    stopped: Arc<AtomicBool>,
) -> impl FnOnce(&Host, &AgentUrl) -> ServiceDict<Later> {
    move |_, _| {
        ServiceDict::new("Manager")
            .method("spawn", |arguments, caller| match spawned(arguments, caller) {
                Ok(label) => Outcome::Later(spawn(label)),
                Err(error) => error.into(),
            })
            .later("set_time", ["time"], |time: f64| {
                Later::new(move |host, ticket| set_time(host, ticket, time))
            })
            .function("stop", [], move || stopped.store(true, Ordering::Relaxed))
    }
}

/// Returns the label of the agent to spawn.
fn spawned(arguments: &Arguments<'_>, caller: &Caller) -> Result<String, RemoteError> {
    const NAME: &[Parameter] = &[Parameter::required("qualname")];
    let bound = arguments.bind(&Signature::new("spawn", NAME).with_args().with_kwargs())?;
    let (name, args) = (bound.required::<String>(0)?, bound.args::<Value>()?);
    let kwargs: BTreeMap<_, Value> = bound.kwargs()?;

    let (format, codec_context, mut call) =
        (arguments.format(), arguments.codec_context(), Vec::new());
    encode_call(format, codec_context, "", &args, &kwargs, &mut call)
        .map_err(RemoteError::serialization)?;
    let call = Payload::new(format, call.into(), codec_context.clone());
    let labels = ServiceDict::<Infallible>::new("Labels")
        .function(SPAWNED, ["label", "suffix"], |text: String, suffix: Option<String>| {
            label(&text, suffix.as_deref())
        })
        .function(CREATE, ["label"], |text: String| label(&text, Some("!")));
    match labels.call(&name, &Request::parse(&call)?.arguments, caller) {
        Outcome::Done(label) => {
            let label = Payload::new(format, label?.into_bytes(), codec_context.clone());
            label.decode().map_err(RemoteError::type_error)
        }
        _ => Err(RemoteError::lookup(format_args!("no factory is called {name:?}"))),
    }
}

fn spawn(label: String) -> Later {
    Later::new(move |host, ticket| {
        let agent = |_: &Host, _: &AgentUrl| {
            ServiceDict::new("Spawned").function("get_label", [], move || label.clone())
        };
        match host.spawn(agent) {
            Ok(url) => {
                let agent = ServiceRef::new(format!("agents/{}", url.aid()));
                host.reply(ticket, &(agent, url.to_string()));
            }
            Err(error) => host.fail(ticket, RemoteError::new("RuntimeError", error)),
        }
    })
}
