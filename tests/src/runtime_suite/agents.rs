//! Agents: the order of calls, cycles of calls, start and stop.

use std::sync::{Arc, Mutex};

use aiomas::Runtime;
use aiomas::{Context, Error, agent};
use aiomas_core::wire::RemoteError;

use super::{TCP, addresses, soon, until, yield_now};

type Log = Arc<Mutex<Vec<String>>>;

fn log(log: &Log, line: impl Into<String>) {
    log.lock().expect("no panic under the lock").push(line.into());
}

/// Yields to other tasks, `times` times.
async fn dawdle(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

struct Clerk {
    log: Log,
    busy: bool,
}

#[agent]
impl Clerk {
    #[expose]
    async fn write(&mut self, number: u32) {
        assert!(!std::mem::replace(&mut self.busy, true), "an exclusive call runs alone");
        log(&self.log, format!("{number}"));
        dawdle(number % 5).await;
        self.busy = false;
    }

    #[expose]
    async fn read(&self, number: u32) {
        assert!(!self.busy, "no exclusive call runs");
        log(&self.log, format!("{number}"));
        dawdle(3).await;
    }

    #[expose]
    fn look(&self, number: u32) {
        assert!(!self.busy, "no exclusive call runs");
        log(&self.log, format!("{number}"));
    }
}

/// Calls of any kind start in order of arrival, and exclusive calls run alone.
pub async fn calls_start_in_order<R: Runtime>(runtime: R) {
    let entries = Log::default();
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let clerk = container.spawn(Clerk { log: entries.clone(), busy: false }).expect("room");
    let other = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let remote: ClerkProxy = other.connect(clerk.url()).await.expect("an existing agent");
    for clerk in [remote, clerk.proxy()] {
        let calls: Vec<_> = (0..500)
            .map(|number| match number * 7 % 5 {
                0 | 1 => clerk.write(number),
                2 | 3 => clerk.read(number),
                _ => clerk.look(number),
            })
            .collect();
        for call in calls {
            soon(&runtime, call).await.expect("an answer");
        }
        let expected: Vec<_> = (0..500).map(|number| format!("{number}")).collect();
        assert_eq!(
            std::mem::take(&mut *entries.lock().expect("no panic under the lock")),
            expected
        );
    }
}

#[derive(Default)]
struct Thinker {
    thoughts: u32,
}

#[agent]
impl Thinker {
    #[expose]
    async fn think(&mut self) {
        self.thoughts += 1;
        std::future::pending().await
    }

    #[expose]
    fn ask(&self) {}

    #[expose]
    async fn ask_yourself(&mut self, #[context] ctx: &Context) -> Result<(), Error> {
        self.thoughts += 1;
        ThinkerProxy::from(ctx.agent()?).ask().await
    }

    #[expose]
    async fn ask_over(&mut self, #[context] ctx: &Context, other: AskerProxy) -> Result<(), Error> {
        self.thoughts += 1;
        other.ask(ctx.agent()?.into()).await
    }

    #[expose]
    async fn ask_beside(&self, #[context] ctx: &Context) -> Result<(), Error> {
        ThinkerProxy::from(ctx.agent()?).ask().await
    }
}

struct Asker;

#[agent]
impl Asker {
    #[expose]
    async fn ask(&self, thinker: ThinkerProxy) -> Result<(), Error> {
        thinker.ask().await
    }
}

/// Calls beyond the mailbox limit fail at once. When the agent stops, waiting calls fail, too.
pub async fn a_full_mailbox_refuses<R: Runtime>(runtime: R) {
    let container =
        aiomas::container::builder(runtime.clone()).config(|config| config.limits.max_mailbox = 2);
    let container = container.bind(TCP).await.expect("bound");
    let thinker = container.spawn(Thinker::default()).expect("room");
    let other = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let remote: ThinkerProxy = other.connect(thinker.url()).await.expect("an existing agent");
    let thinking = remote.think();
    let waiting = [remote.ask(), remote.ask()];
    let error = soon(&runtime, remote.ask()).await.expect_err("refused");
    let error = error.remote().expect("the peer's");
    assert_eq!(error.kind(), "OverloadedError");
    // A remote caller does not learn the address.
    let text = "2 calls wait for their turn already (`Limits::max_mailbox` there)";
    assert_eq!(error.message(), text);
    assert!(thinker.remove());
    for call in waiting {
        let error = soon(&runtime, call).await.expect_err("gone");
        assert_eq!(error.remote().map(RemoteError::kind), Some("LookupError"));
    }
    drop(thinking);
}

/// An agent that calls itself, directly or through others, receives an error at once. Calls of
/// shared methods succeed.
pub async fn an_agent_that_would_wait_for_itself<R: Runtime>(runtime: R) {
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let thinker = container.spawn(Thinker::default()).expect("room").proxy();
    let asker = container.spawn(Asker).expect("room").proxy();
    for call in [thinker.ask_yourself(), thinker.ask_over(asker)] {
        let error = soon(&runtime, call).await.expect_err("a deadlock");
        assert_eq!(error.remote().map(RemoteError::kind), Some("DeadlockError"), "{error}");
    }
    assert_eq!(soon(&runtime, thinker.ask_beside()).await, Ok(()));
}

struct Circle;

#[agent]
impl Circle {
    /// Continues around the ring until `left` is 0.
    #[expose]
    async fn around(
        &self,
        #[context] ctx: &Context,
        next: CircleProxy,
        left: u32,
    ) -> Result<u32, Error> {
        if left == 0 {
            return Ok(0);
        }
        let me = CircleProxy::from(ctx.agent()?);
        Ok(1 + next.around(me, left - 1).await?)
    }
}

/// Reentrant calls are detected over a connection, too.
pub async fn agents_call_in_circles<R: Runtime>(runtime: R) {
    let one = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let other = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let a = one.spawn(Circle).expect("room");
    let b = other.spawn(Circle).expect("room");
    let remote: CircleProxy = a.connect(b.url()).await.expect("an existing agent");
    assert_eq!(soon(&runtime, remote.around(a.proxy(), 100)).await, Ok(100));
}

#[derive(Clone, Default)]
struct Link {
    next: Arc<Mutex<Option<LinkProxy>>>,
}

#[agent]
impl Link {
    /// Continues until `left` is 0.
    #[expose]
    async fn around(&self, left: u32) -> Result<u32, Error> {
        if left == 0 {
            return Ok(0);
        }
        let next = self.next.lock().expect("no panic under the lock").clone();
        Ok(1 + next.expect("a next agent").around(left - 1).await?)
    }
}

/// Each container calls the next, many times around, over connections of every kind, concurrently.
pub async fn a_ring_of_containers<R: Runtime>(runtime: R) {
    let mut ring = Vec::new();
    for address in addresses().into_iter().chain(addresses()) {
        let container = aiomas::container::builder(runtime.clone()).bind(address).await;
        let link = Link::default();
        let agent = container.expect("bound").spawn(link.clone()).expect("room");
        ring.push((agent, link));
    }
    for (index, (agent, link)) in ring.iter().enumerate() {
        let next = ring[(index + 1) % ring.len()].0.url();
        let next: LinkProxy = soon(&runtime, agent.connect(next)).await.expect("an existing agent");
        *link.next.lock().expect("no panic under the lock") = Some(next);
    }
    let calls: Vec<_> = ring.iter().map(|(agent, _)| agent.proxy().around(100)).collect();
    for call in calls {
        assert_eq!(soon(&runtime, call).await, Ok(100));
    }
}

/// Within a container, each call is nested in the one before.
pub async fn deep_calls_need_no_deep_stack<R: Runtime>(runtime: R) {
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let a = container.spawn(Circle).expect("room").proxy();
    let b = container.spawn(Circle).expect("room").proxy();
    assert_eq!(soon(&runtime, a.around(b, 10_000)).await, Ok(10_000));
}

struct Mortal {
    log: Log,
    fails: bool,
    alive: bool,
}

#[agent]
impl Mortal {
    #[on_start]
    async fn born(&mut self, #[context] ctx: &Context) -> Result<(), String> {
        dawdle(3).await;
        log(&self.log, format!("born at {}", ctx.url().expect("an agent has a URL").aid()));
        self.alive = !self.fails;
        if self.fails { Err("stillborn".into()) } else { Ok(()) }
    }

    #[expose]
    fn live(&self) {
        assert!(self.alive);
        log(&self.log, "lives");
    }

    #[on_stop]
    fn die(&mut self) {
        if std::mem::take(&mut self.alive) {
            log(&self.log, "dies");
        }
    }
}

/// `on_start` runs before the first call, `on_stop` after the last. An agent that fails to start
/// does not exist.
pub async fn agents_start_and_stop<R: Runtime>(runtime: R) {
    let container = aiomas::container::builder(runtime.clone()).bind(TCP).await.expect("bound");
    let entries = Log::default();
    let mortal =
        container.spawn(Mortal { log: entries.clone(), fails: false, alive: false }).expect("room");
    soon(&runtime, mortal.proxy().live()).await.expect("a living agent");
    let stillborn =
        container.spawn(Mortal { log: entries.clone(), fails: true, alive: false }).expect("room");
    until(&runtime, || container.agent_count() == 1).await;
    let error = soon(&runtime, stillborn.proxy().live()).await.expect_err("no agent");
    assert_eq!(error.remote().map(RemoteError::kind), Some("LookupError"));
    soon(&runtime, container.shutdown()).await.expect("a clean end");
    let entries = entries.lock().expect("no panic under the lock").clone();
    assert_eq!(entries.iter().filter(|line| line.starts_with("born")).count(), 2, "{entries:?}");
    let position = |line: &str| entries.iter().position(|entry| entry == line);
    assert!(position("born at 0") < position("lives"), "{entries:?}");
    assert_eq!(entries.last().map(String::as_str), Some("dies"));
}
