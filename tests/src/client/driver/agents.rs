//! Agents in containers: the client's own and the server's.

use std::time::{Duration, Instant, SystemTime};

use aiomas::container::builder;
use aiomas::{AgentRef, Container, Error, Proxy, Runtime, rpc};
use aiomas_core::agent::{AgentUrl, ConnectError};
use aiomas_core::clock::{Date, When};
use aiomas_core::wire::Value;
use serde_json::json;

use super::{Session, failure, put_to};
use crate::client::content;
use crate::peer::driver::agents::{CallerProxy, ClockProxy, Echo, EchoProxy, Meeting};
use crate::runtimes::{is_pending, join_all};

pub(super) async fn challenge<R: Runtime>(session: &mut Session<'_, R>) {
    if session.server.external_clock {
        put_to! { session: dates external_clock }
        return;
    }
    put_to! { session:
        connect missing_agents no_listener validate_aid dates pass_reference call_back_by_url
        connect_concurrently two_containers concurrent_1000 real_clock shutdown
    }
}

impl<R: Runtime> Session<'_, R> {
    /// Returns a container with an agent 0 of our own.
    pub(super) async fn container(&self) -> (Container, AgentRef<Echo>) {
        let container = self.fit(builder).bind(self.server.own_address()).await;
        let container = container.unwrap_or_else(|error| panic!("{error}"));
        let ours = container.spawn(Echo).unwrap_or_else(|error| panic!("{error}"));
        (container, ours)
    }

    /// Finds an agent of the server by its id.
    pub(super) async fn find<P: From<Proxy>>(&self, container: &Container, aid: &str) -> P {
        let found = container.connect(self.server.url(aid)).await;
        found.unwrap_or_else(|error| panic!("{error}"))
    }
}

async fn connect<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let echo: EchoProxy = session.find(&container, "0").await;
    assert_eq!(echo.as_ref().url(), Some(&session.server.url("0")));
    assert_eq!(echo.echo("ohai".into()).await, Ok("ohai".into()));
    assert_eq!(echo.add(1.into(), 2.into()).await, Ok(3.into()));
    assert_eq!(echo.as_ref().call("add").arg(1).kwarg("b", 2).send().await, Ok(3));
    assert_eq!(echo.name().await, Ok("Echo".to_owned()));
    assert_eq!(echo.addr_of().await, Ok(Some(session.server.url("0").to_string())));
    let error = failure(echo.fail("kaputt".to_owned()).await);
    assert_eq!((error.kind(), error.message()), ("ValueError", "kaputt"));
    let error = failure(echo.as_ref().call("nope").send::<()>().await);
    assert!(error.message().contains("Name \"nope\" not found in \"agents/0\""), "{error}");

    let caller: CallerProxy = session.find(&container, "1").await;
    assert_eq!(caller.name().await, Ok("Caller".to_owned()));
    assert_eq!(container.connection_count(), 1, "there is one connection for both");
}

async fn missing_agents<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    for aid in ["99", "no/such"] {
        let url = session.server.url(aid);
        let result = container.connect::<Proxy>(url.clone()).await;
        assert_eq!(result, Err(Error::Connect(ConnectError::NoSuchAgent { url })));
    }
    let echo: EchoProxy = session.find(&container, "0").await;
    assert_eq!(echo.echo(1.into()).await, Ok(1.into()));
}

/// Without patience there is one attempt. The runtime suite tests further attempts, without a
/// server.
async fn no_listener<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let (_reserved, missing) = session.server.nowhere();
    let dialled = session.fit(rpc::builder).connect(missing.clone()).await;
    assert!(matches!(dialled, Err(Error::Dial { .. })), "{dialled:?}");
    match container.connect::<Proxy>(AgentUrl::new(missing.clone(), "0")).await {
        Err(Error::Connect(ConnectError::Unreachable { address, attempts: 1, .. }))
            if address == missing => {}
        other => panic!("{other:?}"),
    }
    let echo: EchoProxy = session.find(&container, "0").await;
    assert_eq!(echo.echo(1.into()).await, Ok(1.into()));
}

/// Tests the first request of `connect`.
async fn validate_aid<R: Runtime>(session: &Session<'_, R>) {
    let client = session.fit(rpc::builder).connect(session.server.address.clone()).await;
    let root = client.unwrap_or_else(|error| panic!("{error}")).remote();
    for (aid, name) in content::aids() {
        let found = root.call("validate_aid").arg(&aid).send::<Option<String>>().await;
        assert_eq!(found, Ok(name), "{aid:?}");
    }
}

fn date(text: &str) -> Date {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

async fn dates<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let echo: EchoProxy = session.find(&container, "0").await;
    for text in content::DATES {
        let got = echo.date(date(text)).await.map(|date| date.to_string());
        assert_eq!(got, Ok(text.to_owned()));
    }
    let before = date("2016-02-28T23:59:30+01:00");
    let after = echo.shift(before, 45.0).await.map(|date| date.to_string());
    assert_eq!(after, Ok("2016-02-29T00:00:15+01:00".to_owned()));
    let nested = (before, vec![Some(before)]);
    assert_eq!(echo.as_ref().call("echo").arg(&nested).send().await, Ok(nested));
}

fn met(name: &str) -> Result<Meeting, Error> {
    Ok(Meeting { met: name.to_owned() })
}

/// The peer calls our agent by its reference, on the same connection, and passes itself.
async fn pass_reference<R: Runtime>(session: &Session<'_, R>) {
    let (container, ours) = session.container().await;
    let echo: EchoProxy = session.find(&container, "0").await;
    assert_eq!(echo.meet(ours.proxy()).await, met("Echo"));
    for aid in ["0", "1"] {
        let agent: EchoProxy = session.find(&container, aid).await;
        let itself = agent.me().await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(itself.path(), format!("agents/{aid}"));
        assert_eq!(itself, agent.into());
        assert_eq!(EchoProxy::from(itself).echo(5.into()).await, Ok(5.into()));
    }
    assert_eq!(container.connection_count(), 1);
}

/// The server's agent opens a new connection to our container.
async fn call_back_by_url<R: Runtime>(session: &Session<'_, R>) {
    let (container, ours) = session.container().await;
    let caller: CallerProxy = session.find(&container, "1").await;
    let url = ours.url().to_string();
    let call = |method: &str, args: serde_json::Value| {
        caller.call(url.clone(), method.to_owned(), args.into())
    };
    assert_eq!(call("add", json!([20, 22])).await, Ok(42.into()));
    assert_eq!(call("addr_of", json!([])).await, Ok(Value::from(&*url)));
    assert_eq!(caller.introduce(url.clone()).await, met("Caller"));
    let error = failure(call("nope", json!([])).await);
    assert!(error.text().contains("LookupError"), "{error}");
    assert_eq!(container.connection_count(), 2);
}

async fn connect_concurrently<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let aids = ["0", "1"].into_iter().cycle().take(50);
    let searches = aids.map(|aid| container.connect::<EchoProxy>(session.server.url(aid)));
    for (i, found) in (0..).zip(join_all(searches).await) {
        let agent = found.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(agent.echo(i.into()).await, Ok(i.into()));
    }
    assert_eq!(container.connection_count(), 1, "there is one connection for all");
}

/// Both containers have an agent `0`; each connection leads to its own.
async fn two_containers<R: Runtime>(session: &Session<'_, R>) {
    let ours = [session.container().await, session.container().await];
    let mut meetings = Vec::new();
    for (container, agent) in &ours {
        let echo: EchoProxy = session.find(container, "0").await;
        meetings.push(echo.meet(agent.proxy()));
    }
    for meeting in meetings {
        assert_eq!(meeting.await, met("Echo"));
    }
}

async fn concurrent_1000<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let echo: EchoProxy = session.find(&container, "0").await;
    let calls: Vec<_> = (0..1000).map(|i: i32| echo.echo(i.into())).collect();
    for (i, call) in (0..).zip(calls) {
        assert_eq!(call.await, Ok(i.into()));
    }
}

async fn real_clock<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let clock: ClockProxy = session.find(&container, "2").await;
    let utc_now = clock.utcnow().await.unwrap_or_else(|error| panic!("{error}"));
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let here = Date::from_unix(since_epoch.as_secs_f64()).unwrap_or(Date::MAX);
    assert!(here.seconds_since(utc_now).abs() < 60.0, "{utc_now}, but here it is {here}");
    assert!(utc_now.offset().is_zero());
    let before = clock.time().await.unwrap_or_else(|error| panic!("{error}"));
    let start = Instant::now();
    let after = clock.sleep(0.1).await.unwrap_or_else(|error| panic!("{error}"));
    // At least the full time, within the resolution of the clocks; more on a busy machine.
    assert!(start.elapsed() > Duration::from_millis(90) && after - before > 0.09);
    let past = failure(clock.sleep_until(When::Time(before)).await);
    assert_eq!(past.kind(), "ValueError");
}

/// Time advances only when a client sets it. Several clients may do so in turn.
async fn external_clock<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let clock: ClockProxy = session.find(&container, "2").await;
    let now = clock.time().await.unwrap_or_else(|error| panic!("{error}"));
    let date = clock.utcnow().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(date, content::clock_start().shift(now).unwrap_or(Date::MAX));
    let in_15 = date.shift(15.0).unwrap_or(Date::MAX);
    // Each returns the clock's time at its end.
    let mut sleeps = [
        (10.0, vec![clock.sleep(10.0), clock.sleep_until(When::Time(now + 10.0))]),
        (16.0, vec![clock.sleep_until(When::Date(in_15))]),
        (30.0, vec![clock.sleep(20.0)]),
    ];
    // Once this call is answered, all sleepers have started.
    assert_eq!(clock.time().await, Ok(now));
    for passed in [5.0, 10.0, 16.0, 30.0] {
        assert_eq!(clock.set_time(now + passed).await, Ok(()));
        for (end, calls) in &mut sleeps {
            if *end == passed {
                for call in std::mem::take(calls) {
                    assert_eq!(call.await, Ok(now + passed));
                }
            }
            for call in calls {
                assert!(is_pending(call).await);
            }
        }
        assert_eq!(clock.time().await, Ok(now + passed));
        for late in [now + passed, now] {
            assert_eq!(failure(clock.set_time(late).await).kind(), "ValueError");
        }
    }
    assert_eq!(failure(clock.sleep_until(When::Date(date)).await).kind(), "ValueError");
}

/// A container answers pending requests before it ends. Later requests fail.
async fn shutdown<R: Runtime>(session: &Session<'_, R>) {
    let (container, _) = session.container().await;
    let clock: ClockProxy = session.find(&container, "2").await;
    let sleeping = clock.sleep(0.05);
    assert_eq!(container.shutdown().await, Ok(()));
    assert!(sleeping.await.is_ok());
    assert!(matches!(clock.time().await, Err(Error::Refused(_))));
    let refused = container.connect::<Proxy>(session.server.url("0")).await;
    assert!(refused.is_err(), "{refused:?}");
}
