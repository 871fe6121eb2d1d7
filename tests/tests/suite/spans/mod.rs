//! Spans and events for subscribers of `tracing`.

#![expect(clippy::needless_pass_by_ref_mut, reason = "`&mut self` is how a method is run alone")]

mod collector;

use std::fmt::Write;
use std::time::Duration;

use aiomas_core::connection::{Close, Limits};
use aiomas_core::wire::RemoteError;
use aiomas_sim::rpc::{Caller, authorize};
use aiomas_sim::{
    Container, Context, Delay, Error, Fault, Host, Link, Proxy, Sim, SimBuilder, agent,
};
use aiomas_tests::message;
use aiomas_tests::raw::Raw;
use tracing::Level;

use collector::{Collector, Told};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// An agent that calls others.
struct Clerk;

#[agent]
impl Clerk {
    #[expose]
    fn double(&self, number: i64) -> i64 {
        2 * number
    }

    #[expose]
    fn fail(&self) -> Result<(), RemoteError> {
        Err(RemoteError::value_error("no"))
    }

    #[expose]
    fn repeat(&self, times: usize) -> String {
        "x".repeat(times)
    }

    #[expose]
    async fn repeat_later(
        &self,
        #[context] context: Context,
        times: usize,
    ) -> Result<String, Error> {
        context.clock()?.sleep(0.1).await?;
        Ok(self.repeat(times))
    }

    #[expose]
    async fn panic(&self) {
        panic!("on purpose");
    }

    #[expose]
    async fn sleep(&self, #[context] context: Context, seconds: f64) -> Result<(), Error> {
        context.clock()?.sleep(seconds).await
    }

    /// Calls another agent's `double`.
    #[expose]
    async fn relay(&self, #[context] context: Context, url: String) -> Result<i64, Error> {
        let container = context.container()?;
        let other: Proxy = container.connect(url.as_str()).await?;
        other.call("double").arg(21).send().await
    }

    /// Like `relay`, but exclusively, after waiting for its turn.
    #[expose]
    async fn relay_alone(
        &mut self,
        #[context] context: Context,
        url: String,
    ) -> Result<i64, Error> {
        context.clock()?.sleep(1.0).await?;
        self.relay(context, url).await
    }
}

/// Returns a network without randomness: 10 ms each way.
fn without_chance() -> SimBuilder {
    let link = Link::new().latency(Delay::fixed(10 * MS));
    Sim::builder(1).link(link).without(Fault::Order).without(Fault::Wake)
}

fn calm() -> Sim {
    without_chance().build()
}

async fn bind(host: &Host) -> Container {
    host.container().bind(format!("tcp://{}:5555", host.name())).await.unwrap()
}

#[test]
fn a_call_is_a_span_at_both_ends() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::TRACE, || {
        sim.block_on(async {
            let server = bind(&house).await;
            server.spawn(Clerk).unwrap();
            let client = bind(&grid).await;
            let clerk: Proxy = client.connect("tcp://house:5555/0").await.unwrap();
            let () = clerk.call("sleep").arg(2.0).send().await.unwrap();
            clerk.call("fail").send::<()>().await.unwrap_err();
        });
    });
    let calls = log.spans("call");
    let requests = log.spans("request");
    assert_eq!((calls.len(), requests.len()), (3, 3));
    for (((_, call), (_, request)), (id, path)) in calls.iter().zip(&requests).zip([
        ("0", "validate_aid"),
        ("1", "agents/0/sleep"),
        ("2", "agents/0/fail"),
    ]) {
        assert_eq!((call.target, request.target), ("aiomas::call", "aiomas::request"));
        assert_eq!((call.level, request.level), (Level::DEBUG, Level::DEBUG));
        for span in [call, request] {
            assert_eq!((span.field("id"), span.field("path")), (id, path));
            assert_eq!((span.parent, span.is_open), (None, false));
        }
        assert_eq!(call.field("peer"), "tcp://house:5555");
        assert!(request.field("peer").starts_with("tcp://grid:"), "{request:?}");
        assert_eq!((call.field("otel.kind"), request.field("otel.kind")), ("client", "server"));
        // By the simulation's clock: the sleep of the method, plus some milliseconds each way.
        let sleeps = if path == "agents/0/sleep" { 2.0 } else { 0.0 };
        assert!((request.seconds() - sleeps).abs() < 1e-6, "{request:?}");
        assert!((0.019..0.1).contains(&(call.seconds() - sleeps)), "{call:?}");
    }
    let [(_, call), (_, request)] = [&calls[2], &requests[2]];
    assert_eq!(call.field("otel.status_code"), "ERROR");
    assert!(request.field("error").contains("ValueError"), "{request:?}");

    // The events within them.
    let ends = |target| {
        log.events(target).iter().map(|event| (event.name.clone(), event.level)).collect::<Vec<_>>()
    };
    let answered = || ("answered".to_owned(), Level::TRACE);
    let expected = [answered(), answered(), ("failed".to_owned(), Level::DEBUG)];
    assert_eq!(ends("aiomas::call"), expected);
    assert_eq!(ends("aiomas::request"), expected);
    let parents = log.events("aiomas::call").iter().map(|event| event.parent).collect::<Vec<_>>();
    assert_eq!(parents, calls.iter().map(|(number, _)| Some(*number)).collect::<Vec<_>>());
}

#[test]
fn calls_of_a_method_are_within_its_span() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    for (method, wait) in [("relay", 0), ("relay_alone", 1)] {
        let log = Collector::watch(Level::DEBUG, || {
            sim.block_on(async {
                let far = bind(&house).await;
                far.spawn(Clerk).unwrap();
                let near = bind(&grid).await;
                let clerk = near.spawn(Clerk).unwrap();
                let calls: Vec<_> = (0..=wait)
                    .map(|_| {
                        let local = clerk.connect::<Proxy>("tcp://grid:5555/0");
                        async move {
                            let local = local.await.unwrap();
                            local.call(method).arg("tcp://house:5555/0").send::<i64>().await
                        }
                    })
                    .collect();
                for answer in futures(calls).await {
                    assert_eq!(answer, Ok(42));
                }
                near.shutdown().await.unwrap();
                far.shutdown().await.unwrap();
            });
        });
        let spans = log.spans.lock().unwrap();
        let at = |number: usize| {
            let span = &spans[number];
            (span.name.as_str(), span.fields["path"].as_str(), span.parent)
        };
        let relay = format!("agents/0/{method}");
        let doubles = spans
            .iter()
            .enumerate()
            .filter(|(_, span)| span.name == "call" && span.field("path") == "agents/0/double");
        let mut count = 0;
        for (_, call) in doubles {
            count += 1;
            let (name, path, outer) = at(call.parent.expect("a method's span"));
            assert_eq!((name, path), ("request", &*relay));
            // Within a container, the request's span is inside the call's.
            let (name, path, outermost) = at(outer.expect("its call's span"));
            assert_eq!((name, path, outermost), ("call", &*relay, None));
            assert_eq!(spans[outer.unwrap()].field("peer"), "local");
        }
        assert_eq!(count, wait + 1);
        assert!(spans.iter().all(|span| !span.is_open), "{spans:#?}");
    }
}

/// Waits for all futures, concurrently.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut left: Vec<_> = all.into_iter().map(|one| (Some(Box::pin(one)), None)).collect();
    std::future::poll_fn(|cx| {
        for (one, result) in &mut left {
            if let Some(future) = one
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                (*one, *result) = (None, Some(output));
            }
        }
        if left.iter().all(|(one, _)| one.is_none()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    left.into_iter().filter_map(|(_, result)| result).collect()
}

#[test]
fn a_good_conversation_is_not_worth_a_warning() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::INFO, || {
        sim.block_on(async {
            let server = bind(&house).await;
            server.spawn(Clerk).unwrap();
            let client = bind(&grid).await;
            let clerk: Proxy = client.connect("tcp://house:5555/0").await.unwrap();
            for number in 0..100 {
                assert_eq!(clerk.call("double").arg(number).send().await, Ok(2 * number));
            }
            clerk.call("fail").send::<()>().await.unwrap_err();
            client.shutdown().await.unwrap();
            server.shutdown().await.unwrap();
        });
    });
    assert!(log.at_least(Level::WARN).is_empty(), "{:#?}", log.at_least(Level::WARN));
    let events = log.events("aiomas::connection");
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["opened", "opened", "closed", "closed"]);
    assert_eq!(log.at_least(Level::INFO).len(), 4, "nothing else is told");
    let closed = &events[2];
    assert_eq!(closed.field("reason"), "closed on this side");
    assert!(closed.seconds() > 2.0, "100 calls take longer: {closed:?}");
    assert_eq!(closed.field("bytes_out"), events[3].field("bytes_in"));
}

#[test]
fn attempts_and_waits_are_reported() {
    let sim = calm();
    let (_house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::DEBUG, || {
        sim.block_on(async {
            let client = bind(&grid).await;
            let search = client.connect::<Proxy>("tcp://house:5555/0").within(2 * SECOND);
            search.await.unwrap_err();
            grid.rpc().connect("tcp://house:5555").await.unwrap_err();
        });
    });
    let events = log.events("aiomas::dial");
    let failed: Vec<_> = events.iter().filter(|event| event.name == "failed").collect();
    let wait = |event: &Told| event.fields.get("wait").map(|wait| wait.parse::<f64>().unwrap());
    let told: Vec<_> = failed.iter().map(|event| (event.field("attempt"), wait(event))).collect();
    let third = ("3", Some(1.125));
    assert_eq!(told, [("1", Some(0.5)), ("2", Some(0.75)), third, ("1", None)]);
    for event in failed {
        assert_eq!((event.level, event.field("peer")), (Level::INFO, "tcp://house:5555"));
        assert!(event.field("error").contains("refused"), "{event:?}");
    }
    assert_eq!(events.iter().filter(|event| event.name == "dialling").count(), 4);
}

#[test]
fn a_refused_peer_gets_one_answer() {
    let sim = without_chance().allow_panics("on purpose").build();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::WARN, || {
        sim.block_on(async {
            let mut limits = Limits::default();
            (limits.max_connections, limits.max_calls_in) = (1, 2);
            let server = house.container().limits(limits);
            let server = server.bind("tcp://house:5555").await.unwrap();
            server
                .spawn(authorize(Clerk, |_: &Caller, path: &str| match path {
                    "double" => Err(RemoteError::permission("not for you")),
                    _ => Ok(()),
                }))
                .unwrap();
            let client = grid.rpc().connect("tcp://house:5555").await.unwrap();
            let _first = client.remote().call("validate_aid").arg("0").send::<String>().await;
            for _ in 0..2 {
                let other = grid.rpc().connect("tcp://house:5555").await.unwrap();
                other.closed().await;
            }
            let clerk = client.remote().get("agents/0");
            clerk.call("double").arg(1).send::<i64>().await.unwrap_err();
            let calls = (0..5).map(|_| clerk.call("sleep").arg(1.0).send::<()>());
            let answers = futures(calls.collect()).await;
            assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 3);
            clerk.call("panic").send::<()>().await.unwrap_err();
        });
    });
    let told: Vec<_> = log.at_least(Level::TRACE);
    let names: Vec<_> =
        told.iter().map(|event| (event.target, event.name.as_str(), event.level)).collect();
    assert_eq!(
        names,
        [
            ("aiomas::admission", "refused", Level::WARN),
            ("aiomas::admission", "refused", Level::WARN),
            ("aiomas::request", "refused", Level::WARN),
            ("aiomas::connection", "requests refused", Level::WARN),
            ("aiomas::request", "panicked", Level::WARN),
        ]
    );
    for refused in &told[..2] {
        assert!(refused.field("peer").starts_with("tcp://grid:"), "{refused:?}");
        assert!(refused.field("error").contains("Limits::max_connections"), "{refused:?}");
    }
    assert_eq!(told[2].field("path"), "agents/0/double");
    assert!(told[2].field("error").contains("not for you"), "{:?}", told[2]);
    assert_eq!(told[3].field("count"), "3");
    assert!(told[4].field("error").contains("on purpose"), "{:?}", told[4]);
    assert!(log.spans.lock().unwrap().is_empty(), "spans are not worth a warning");
}

/// Logs contain a peer's text only in escaped form.
#[test]
fn a_peer_cannot_write_what_it_likes() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let text = "\x1b[2J\r\n2026-01-01 ERROR all is lost\u{202e}";
    let evil = text.repeat(100);
    let log = Collector::watch(Level::TRACE, || {
        sim.block_on(async {
            let server = bind(&house).await;
            server.spawn(Clerk).unwrap();
            let address = server.address().clone();
            let mut raw = Raw::dial(&grid, &address).await.unwrap();
            let format = aiomas_core::wire::Format::Json;
            // An id, a path and the name of an agent; content that is no call; an unknown type.
            let huge = format!("agents/0/{}", "x".repeat(1 << 20));
            for content in [
                serde_json::json!([evil, [], {}]),
                serde_json::json!([format!("agents/{evil}/x"), [], {}]),
                serde_json::json!([huge, [], {}]),
                serde_json::json!({ evil.as_str(): 1 }),
            ] {
                let id = serde_json::json!(text.repeat(50));
                let message = message::message(format, 0, id, content);
                raw.write(&message).await.unwrap();
                let _answer = raw.read().await;
            }
            raw.write(&message::message(format, 99, 1, &evil)).await.unwrap();
            house.sleep(SECOND).await;
            assert_eq!(server.connection_count(), 0);
        });
    });
    assert_eq!(log.spans("request").len(), 2, "the others are no calls");
    assert_eq!(log.events("aiomas::connection")[1].level, Level::WARN);
    let (texts, mut shown) = (log.texts(), String::new());
    for text in &texts {
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.len() < 5_000, "{} bytes of a peer", text.len());
        writeln!(shown, "{text}").unwrap();
    }
    assert!(shown.contains("all is lost") && !shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn cancelled_calls_are_recorded() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::DEBUG, || {
        sim.block_on(async {
            let server = bind(&house).await;
            let clerk = server.spawn(Clerk).unwrap();
            let local: Proxy = clerk.connect("tcp://house:5555/0").await.unwrap();
            let call = local.call("sleep").arg(9.0).send::<()>();
            house.sleep(SECOND).await;
            drop(call);
            house.sleep(SECOND).await;

            // A peer without support for cancellation continues.
            let client = grid.rpc().connect("tcp://house:5555").await.unwrap();
            let clerk = client.remote().get("agents/0").with_timeout(SECOND);
            clerk.call("sleep").arg(2.0).send::<()>().await.unwrap_err();
            house.sleep(2 * SECOND).await;
        });
    });
    let (calls, requests) = (log.spans("call"), log.spans("request"));
    assert_eq!((calls.len(), requests.len()), (2, 2));
    for (_, span) in [&calls[0], &requests[0], &calls[1]] {
        assert!((span.seconds() - 1.0).abs() < 1e-3, "{span:?}");
        assert!(!span.is_open);
    }
    assert!(calls[1].1.field("error").contains("1s"), "{calls:?}");
    assert!((requests[1].1.seconds() - 2.0).abs() < 1e-3, "{requests:?}");
    let names = |target| log.events(target).iter().map(|e| e.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("aiomas::call"), ["given up", "failed"]);
    assert_eq!(names("aiomas::request"), ["cancelled"]);
    let connection = names("aiomas::connection");
    assert!(connection.contains(&"late answers ignored".to_owned()), "{connection:?}");
}

/// Methods that answer at once, and later.
#[test]
fn lost_answers_are_recorded() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::DEBUG, || {
        sim.block_on(async {
            let mut limits = Limits::default();
            limits.max_frame = 1000;
            let server = house.container().limits(limits);
            let server = server.bind("tcp://house:5555").await.unwrap();
            server.spawn(Clerk).unwrap();
            let client = grid.rpc().connect("tcp://house:5555").await.unwrap();
            let clerk = client.remote().get("agents/0");
            for method in ["repeat", "repeat_later"] {
                clerk.call(method).arg(2000).send::<String>().await.unwrap_err();
            }
            let lost = clerk.call("sleep").arg(1.0).send::<()>();
            house.sleep(SECOND / 2).await;
            server.peers()[0].close_with(Close::Now);
            lost.await.unwrap_err();
            house.sleep(SECOND).await;
        });
    });
    let events = log.events("aiomas::connection");
    let find = |name| events.iter().filter(|event| event.name == name).collect::<Vec<_>>();
    let refused = find("answers not sent");
    assert_eq!(refused.len(), 2, "{events:#?}");
    for event in refused {
        assert_eq!((event.level, event.field("count")), (Level::WARN, "1"));
        assert_eq!(event.field("limit"), "Limits::max_frame");
    }
    let [dropped] = find("answers dropped")[..] else { panic!("{events:#?}") };
    assert_eq!((dropped.level, dropped.field("count")), (Level::DEBUG, "1"));
}

/// The span of a channel's request is open until it is answered.
#[test]
fn channels_have_spans_without_paths() {
    let sim = calm();
    let (house, grid) = (sim.host("house"), sim.host("grid"));
    let log = Collector::watch(Level::DEBUG, || {
        sim.block_on(async {
            let mut listener = house.channel().listen("tcp://house:5557").await.unwrap();
            let near = grid.channel().connect("tcp://house:5557").await.unwrap();
            let far = listener.accept().await.unwrap();
            let call = near.send::<String>("ohai");
            let request = far.recv().await.unwrap();
            house.sleep(SECOND).await;
            request.reply("cya").unwrap();
            assert_eq!(call.await.unwrap(), "cya");
        });
    });
    let ((_, call), (_, request)) = (log.span("call"), log.span("request"));
    assert!(request.seconds() >= 1.0 && call.seconds() > request.seconds());
    assert_eq!((call.field("id"), request.field("id")), ("0", "0"));
    assert!(!call.fields.contains_key("path") && !request.fields.contains_key("path"));
}
