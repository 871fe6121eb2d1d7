//! The tree of services. A `peer` is a reference to a service of the caller.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use aiomas_core::agent::Target;
use aiomas_core::connection::{CallError, CallOptions};
use aiomas_core::rpc::{Arguments, Outcome, RemoteRef, ServiceDict, ServiceRef};
use aiomas_core::wire::{RemoteError, Value};
use serde::{Deserialize, Serialize};

use crate::host::{Answer, CallFailed, Host, Later, LaterFunctions, Ticket};
use crate::peer::fail;
use crate::peer::number::{add, multiply, negate};
use crate::types::{Celsius, Mode, Point, Unserializable};

/// Returns the root service.
pub(super) fn root() -> ServiceDict<Later> {
    let deep = ServiceDict::new("ServiceDict").function("neg", ["a"], negate);
    let math =
        ServiceDict::new("ServiceDict").function("mul", ["a", "b"], multiply).service("deep", deep);
    let inner = ServiceDict::new("Inner").function("ping", [], || "pong");
    let tools = ServiceDict::new("Tools")
        .function("upper", ["text"], |text: String| text.to_uppercase())
        .service("inner", inner);
    let root = ServiceDict::new("Root")
        .service("math", math)
        .service("tools", tools)
        .hidden("hidden")
        .hidden("secret")
        .function("add", ["a", "b"], add)
        .method("echo", |arguments, _| echo(arguments))
        .function("ident", ["value"], |value: Value| value)
        .function("join", ["parts", "sep"], |parts: Vec<String>, sep: Option<String>| {
            parts.join(sep.as_deref().unwrap_or("-"))
        })
        .function("fail", ["message"], fail)
        .function("unserializable", [], || Unserializable)
        .function("get_tools", [], || ServiceRef::new("tools"))
        .function("get_root", [], || ServiceRef::new(""))
        .function("mirror", ["point"], |Point { x, y }| Point { x: y, y: x })
        .function("warmer", ["celsius", "d"], |Celsius(degrees), d: f64| Celsius(degrees + d))
        .function("louder", ["mode"], Mode::louder);
    add_later_functions(root)
}

fn add_later_functions(root: ServiceDict<Later>) -> ServiceDict<Later> {
    root.later("slow", ["ms", "value"], |ms: f64, value: Value| {
        Later::new(move |host, ticket| host.reply_after(ms, ticket, value))
    })
    .later("call_me", ["peer", "value"], |peer: RemoteRef, value: Value| {
        Later::new(move |host, ticket| double(host, ticket, &peer, value))
    })
    .later("nested", ["proxies"], |Nested { list: [peer] }| {
        Later::new(move |host, ticket| double(host, ticket, &peer, 21.into()))
    })
    .later("call_remote", ["value"], |value: Value| {
        Later::new(move |host, ticket| {
            let caller = Target::new(ticket.route(), "");
            call_double(host, &caller, value, |host, answer| host.relay(ticket, answer));
        })
    })
    .later("call_error", ["peer"], |peer: RemoteRef| {
        Later::new(move |host, ticket| call_error(host, ticket, &peer))
    })
    .later("call_many", ["peer", "n"], |peer: RemoteRef, n: u32| {
        Later::new(move |host, ticket| call_many(host, ticket, &peer, n as usize))
    })
}

/// The argument of `nested`.
#[derive(Deserialize)]
struct Nested {
    list: [RemoteRef; 1],
}

fn echo(arguments: &Arguments<'_>) -> Outcome<Later> {
    Outcome::of(|| {
        let args: Value = arguments.args().decode().map_err(RemoteError::type_error)?;
        let kwargs: Value = arguments.kwargs().decode().map_err(RemoteError::type_error)?;
        arguments.encode(&(args, kwargs))
    })
}

fn double(host: &mut Host, ticket: Ticket, peer: &RemoteRef, value: Value) {
    let peer = Target::reference(ticket.route(), peer);
    call_double(host, &peer, value, |host, answer| host.relay(ticket, answer));
}

fn call_double(
    host: &mut Host,
    target: &Target,
    value: Value,
    then: impl FnOnce(&mut Host, Answer) + 'static,
) {
    host.call(target, "double", &(value,), &(), CallOptions::default(), then);
}

/// The result of `call_error`.
#[derive(Serialize)]
struct Caught {
    caught: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    boom: Option<bool>,
}

fn call_error(host: &mut Host, ticket: Ticket, peer: &RemoteRef) {
    let peer = Target::reference(ticket.route(), peer);
    host.call(&peer, "boom", &(), &(), CallOptions::default(), |host, answer| match answer {
        Ok(_) => host.reply(ticket, &Caught { caught: false, boom: None }),
        Err(CallFailed::Call(CallError::Remote(error))) => {
            let boom = Some(error.text().contains("boom"));
            host.reply(ticket, &Caught { caught: true, boom });
        }
        Err(error) => host.fail(ticket, error),
    });
}

/// Concurrent calls, and the first error.
struct Gathering {
    ticket: Option<Ticket>,
    wanted: usize,
    values: BTreeMap<usize, Value>,
}

fn call_many(host: &mut Host, ticket: Ticket, peer: &RemoteRef, n: usize) {
    if n == 0 {
        return host.reply(ticket, &[(); 0]);
    }
    let peer = Target::reference(ticket.route(), peer);
    let gathering = Gathering { ticket: Some(ticket), wanted: n, values: BTreeMap::new() };
    let gathering = Rc::new(RefCell::new(gathering));
    for i in 0..n {
        let gathering = gathering.clone();
        call_double(host, &peer, i.into(), move |host, answer| {
            let decoded = answer
                .map_err(RemoteError::from)
                .and_then(|payload| payload.decode::<Value>().map_err(RemoteError::value_error));
            gathering.borrow_mut().take(host, i, decoded);
        });
    }
}

impl Gathering {
    fn take(&mut self, host: &mut Host, index: usize, value: Result<Value, RemoteError>) {
        match value {
            Ok(value) => {
                self.values.insert(index, value);
                if self.values.len() == self.wanted
                    && let Some(ticket) = self.ticket.take()
                {
                    host.reply(ticket, &Vec::from_iter(self.values.values()));
                }
            }
            Err(error) => {
                if let Some(ticket) = self.ticket.take() {
                    host.fail(ticket, error);
                }
            }
        }
    }
}
