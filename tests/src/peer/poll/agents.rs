//! The agents of the container.

use std::cell::Cell;
use std::time::Instant;

use aiomas_core::agent::{AgentUrl, ConnectError, Remote, RetryLimit, Target};
use aiomas_core::clock::{Clock, Date, When};
use aiomas_core::connection::{CallOptions, Negotiate};
use aiomas_core::rpc::{RemoteRef, ServiceDict, ServiceRef};
use aiomas_core::wire::{RemoteError, Value};
use serde_json::json;

use crate::host::{Host, Later, LaterFunctions, Sleeper, Ticket};
use crate::peer::fail;
use crate::peer::number::add;

/// Answers questions.
pub(crate) fn echo(_: &Host, url: &AgentUrl) -> ServiceDict<Later> {
    add_answers(ServiceDict::new("Echo"), "Echo", url)
}

/// Connects to other agents, and answers questions.
pub(crate) fn caller(_: &Host, url: &AgentUrl) -> ServiceDict<Later> {
    let itself = reference(url);
    add_answers(ServiceDict::new("Caller"), "Caller", url)
        .later("call", ["url", "method", "args"], |url: String, method: String, args: Value| {
            connect(&url, move |host, ticket, target| {
                call_and_relay(host, ticket, &target, &method, &args);
            })
        })
        .later("introduce", ["url"], move |url: String| {
            let args = (itself.clone(),);
            connect(&url, move |host, ticket, target| {
                call_and_relay(host, ticket, &target, "meet", &args);
            })
        })
}

/// Gives access to the host's clock.
pub(crate) fn clock(_: &Host, _: &AgentUrl) -> ServiceDict<Later> {
    ServiceDict::new("Clock")
        .later("time", [], || {
            Later::new(|host, ticket| host.reply(ticket, &host.clock.time(Instant::now())))
        })
        .later("utcnow", [], || {
            Later::new(|host, ticket| host.reply(ticket, &host.clock.utc_now(Instant::now())))
        })
        .later("set_time", ["t"], |t: f64| {
            Later::new(move |host, ticket| set_time(host, ticket, t))
        })
        .later("sleep", ["dt"], |dt: f64| {
            Later::new(move |host, ticket| sleep(host, ticket, Sleep::For(dt)))
        })
        .later("sleep_until", ["t"], |t: When| {
            Later::new(move |host, ticket| sleep(host, ticket, Sleep::Until(t)))
        })
}

/// The end of a sleep.
enum Sleep {
    For(f64),
    Until(When),
}

/// Answers with the clock's time once it has come.
fn sleep(host: &mut Host, ticket: Ticket, sleep: Sleep) {
    let (now, sleeper) = (Instant::now(), Sleeper::new(Cell::new(Some(ticket))));
    let waiting = sleeper.clone();
    let begun = match (&mut host.clock, sleep) {
        (Clock::Real(clock), sleep) => {
            let due = match sleep {
                Sleep::For(dt) => clock.sleep(now, dt),
                Sleep::Until(when) => clock.sleep_until(now, when),
            };
            due.map(|due| host.at(due, move |host| wake(host, &waiting)))
        }
        (Clock::External(clock), Sleep::For(dt)) => clock.sleep(dt, waiting).map(drop),
        (Clock::External(clock), Sleep::Until(when)) => clock.sleep_until(when, waiting).map(drop),
    };
    if let Err(error) = begun
        && let Some(ticket) = sleeper.take()
    {
        host.fail(ticket, RemoteError::value_error(error));
    }
}

fn wake(host: &mut Host, sleeper: &Sleeper) {
    if let Some(ticket) = sleeper.take() {
        host.reply(ticket, &host.clock.time(Instant::now()));
    }
}

pub(super) fn set_time(host: &mut Host, ticket: Ticket, time: f64) {
    let Clock::External(clock) = &mut host.clock else {
        let message = "'AsyncioClock' object has no attribute 'set_time'";
        return host.fail(ticket, RemoteError::new("AttributeError", message));
    };
    if let Err(error) = clock.set_time(time) {
        return host.fail(ticket, RemoteError::value_error(error));
    }
    let sleepers: Vec<_> = std::iter::from_fn(|| clock.expired()).collect();
    host.reply(ticket, &());
    for sleeper in sleepers {
        wake(host, &sleeper);
    }
}

fn reference(url: &AgentUrl) -> ServiceRef {
    ServiceRef::new(format!("agents/{}", url.aid()))
}

fn add_answers(dict: ServiceDict<Later>, name: &'static str, url: &AgentUrl) -> ServiceDict<Later> {
    let (itself, url) = (reference(url), url.to_string());
    dict.function("echo", ["value"], |value: Value| value)
        .function("add", ["a", "b"], add)
        .function("name", [], move || name)
        .function("addr_of", [], move || url.clone())
        .function("fail", ["message"], fail)
        .function("me", [], move || itself.clone())
        .function("date", ["date"], |date: Date| date)
        .function("shift", ["date", "seconds"], |date: Date, seconds: f64| {
            date.shift(seconds).map_err(RemoteError::value_error)
        })
        .later("meet", ["peer"], |peer: RemoteRef| {
            Later::new(move |host, ticket| meet(host, ticket, &peer))
        })
}

/// Asks `peer` for its name.
fn meet(host: &mut Host, ticket: Ticket, peer: &RemoteRef) {
    let peer = Target::reference(ticket.route(), peer);
    host.call(&peer, "name", &(), &(), CallOptions::default(), |host, answer| {
        let name = answer
            .map_err(RemoteError::from)
            .and_then(|payload| payload.decode::<String>().map_err(RemoteError::type_error));
        match name {
            Ok(name) => host.reply(ticket, &json!({"met": name})),
            Err(error) => host.fail(ticket, error),
        }
    });
}

/// Finds the agent at `url` and continues with `then`.
fn connect(url: &str, then: impl FnOnce(&mut Host, Ticket, Target) + 'static) -> Later {
    let url = url.parse::<AgentUrl>();
    Later::new(move |host, ticket| {
        let url = match url {
            Ok(url) => url,
            Err(error) => return host.fail(ticket, RemoteError::value_error(error)),
        };
        // The codec of the other container is unknown. Most likely it is the caller's.
        if let Some(codec) = host.events.node.codec_of(&ticket) {
            host.events.node.set_negotiate(Negotiate::Fixed(codec));
        }
        host.connect(url, RetryLimit::Once, |host, result: Result<Remote, ConnectError>| {
            match result {
                Ok(remote) => then(host, ticket, Target::from(&remote)),
                Err(error) => host.fail(ticket, RemoteError::new("ConnectionError", error)),
            }
        });
    })
}

fn call_and_relay<A: serde::Serialize + ?Sized>(
    host: &mut Host,
    ticket: Ticket,
    target: &Target,
    method: &str,
    args: &A,
) {
    host.call(target, method, args, &(), CallOptions::default(), |host, answer| {
        host.relay(ticket, answer);
    });
}
