//! Containers, and the callers of their agents.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aiomas::Error;
use aiomas::{AgentRef, Call, Container, Runtime, Timer};
use aiomas_core::agent::{Address, AgentUrl, ConnectError, RetryLimit};
use aiomas_core::wire::Codec;

use super::oracle::{Kind, Oracle, Ticket};
use super::worker::{Worker, WorkerProxy};

/// The state shared by all nodes.
#[derive(Clone, Debug)]
pub struct Stress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    oracle: Oracle,
    plan: Plan,
    /// The current containers.
    nodes: Mutex<Vec<Option<Container>>>,
    /// The number of active callers.
    callers: AtomicUsize,
}

/// The size of a stress run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of containers.
    pub nodes: usize,
    /// The number of agents in each container.
    pub workers: usize,
    /// The number of callers in each container.
    pub callers: usize,
    /// The number of rounds of each caller. A round makes some concurrent calls.
    pub rounds: usize,
    /// The maximum number of calls in flight on a connection.
    pub max_calls: usize,
    /// Whether attempts to connect may fail.
    pub lossy: bool,
    /// Whether callers keep reconnecting proxies.
    pub reconnects: bool,
}

/// A container with its agents, on a runtime.
#[derive(Debug)]
pub struct Node<R> {
    stress: Stress,
    runtime: R,
    container: Container,
    workers: Vec<AgentRef<Worker>>,
}

impl Stress {
    /// Creates a model without nodes.
    #[must_use]
    pub fn new(plan: Plan, oracle: Oracle) -> Self {
        let nodes = Mutex::new(vec![None; plan.nodes]);
        Self(Arc::new(Shared { oracle, plan, nodes, callers: AtomicUsize::new(0) }))
    }

    /// Returns the reference model of the calls.
    #[must_use]
    pub fn oracle(&self) -> &Oracle {
        &self.0.oracle
    }

    /// Returns the number of active callers.
    #[must_use]
    pub fn callers(&self) -> usize {
        self.0.callers.load(Ordering::Relaxed)
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Option<Container>>> {
        self.0.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current containers.
    #[must_use]
    pub fn containers(&self) -> Vec<Container> {
        self.nodes().iter().flatten().cloned().collect()
    }

    /// Lets each container call each other one, so that each notices peers that lost power.
    ///
    /// # Errors
    /// A container cannot be reached.
    pub async fn greet_all(&self) -> Result<(), Error> {
        let containers = self.containers();
        for one in &containers {
            for other in &containers {
                let url = AgentUrl::new(other.address().clone(), "0");
                let worker: WorkerProxy = one.connect(url).within(Duration::from_secs(60)).await?;
                let ticket = self.0.oracle.begin(Kind::Answers, None);
                let result = worker.stamp(ticket.token()).await;
                ticket.end(None, &result);
            }
        }
        Ok(())
    }

    /// Ends all containers.
    ///
    /// # Errors
    /// None so far.
    pub async fn close(&self) -> Result<(), Error> {
        let nodes = std::mem::take(&mut *self.nodes());
        for container in nodes.iter().flatten() {
            container.shutdown().await?;
        }
        Ok(())
    }
}

impl<R: Runtime> Node<R> {
    /// Builds the node with this number at an address.
    ///
    /// # Errors
    /// The container cannot listen there.
    pub async fn build(
        stress: &Stress,
        number: usize,
        runtime: R,
        address: Address,
    ) -> Result<Self, Error> {
        let codec = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc][number % 3];
        let max_calls = stress.0.plan.max_calls;
        let container = aiomas::container::builder(runtime.clone())
            .codec(codec)
            .config(|config| config.limits.max_calls_out = max_calls);
        let container = container.bind(address).await?;
        let worker =
            || container.spawn(Worker::new(stress.oracle().clone(), container.clock().clone()));
        let workers = (0..stress.0.plan.workers).map(|_| worker()).collect::<Result<_, _>>()?;
        // Replacing the container from before a crash ends its remains.
        let before = stress.nodes()[number].replace(container.clone());
        drop(before);
        Ok(Self { stress: stress.clone(), runtime, container, workers })
    }

    /// Starts the callers.
    pub fn open(self) {
        let Self { stress, runtime, container, workers } = self;
        for _ in 0..stress.0.plan.callers {
            stress.0.callers.fetch_add(1, Ordering::Relaxed);
            let caller = Caller {
                at_work: AtWork(stress.clone()),
                random: fastrand::Rng::with_seed(runtime.seed()),
                runtime: runtime.clone(),
                container: container.clone(),
                own: workers[0].clone(),
                lines: BTreeMap::new(),
            };
            runtime.spawn(caller.work());
        }
    }
}

/// Counts an active caller.
struct AtWork(Stress);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Caller<R> {
    at_work: AtWork,
    random: fastrand::Rng,
    runtime: R,
    container: Container,
    /// The agent that it passes to others.
    own: AgentRef<Worker>,
    /// The agents found so far, by node and id.
    lines: BTreeMap<(usize, usize), WorkerProxy>,
}

/// A call in flight.
struct Made<R: Runtime> {
    /// `Some` until the call has ended.
    ticket: Option<Ticket>,
    call: Call<u64>,
    /// The time at which the call is cancelled.
    gives_up: R::Timer,
}

impl<R: Runtime> Made<R> {
    fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.call).poll(cx) {
            Poll::Pending => self.gives_up.poll(cx),
            Poll::Ready(result) => {
                if let Some(ticket) = self.ticket.take() {
                    ticket.end(Some(runtime.now()), &result);
                }
                Poll::Ready(())
            }
        }
    }
}

impl<R: Runtime> Caller<R> {
    async fn work(mut self) {
        for _ in 0..self.at_work.0.0.plan.rounds {
            self.round().await;
            let pause = Duration::from_millis(self.random.u64(..200));
            self.sleep(pause).await;
        }
    }

    async fn sleep(&self, time: Duration) {
        let mut timer = self.runtime.timer();
        timer.set(self.runtime.now() + time);
        poll_fn(|cx| timer.poll(cx)).await;
    }

    /// Makes some concurrent calls, and checks their results.
    async fn round(&mut self) {
        let Some(worker) = self.find().await else { return };
        let count = self.random.usize(1..8);
        let mut made: Vec<Made<R>> = (0..count).map(|_| self.call(&worker)).collect();
        self.random.shuffle(&mut made);
        poll_fn(|cx| {
            made.retain_mut(|made| made.poll(&self.runtime, cx).is_pending());
            if made.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Finds an agent to call.
    async fn find(&mut self) -> Option<WorkerProxy> {
        let stress = &self.at_work.0;
        let plan = &stress.0.plan;
        let (node, aid) = (self.random.usize(..plan.nodes), self.random.usize(..plan.workers));
        if let Some(line) = self.lines.get(&(node, aid)) {
            return Some(line.clone());
        }
        // A node that has not been built yet has no address.
        let address = stress.nodes()[node].as_ref()?.address().clone();
        let patience = match self.random.u8(..3) {
            0 => RetryLimit::Once,
            _ => RetryLimit::Within(Duration::from_millis(self.random.u64(100..20_000))),
        };
        let url = AgentUrl::new(address, aid.to_string());
        let mut connect = self.container.connect(url).retry(patience);
        if plan.reconnects {
            connect = connect.reconnect(Duration::from_millis(self.random.u64(100..20_000)));
        }
        match connect.await {
            Ok(worker) => {
                if plan.reconnects {
                    self.lines.insert((node, aid), WorkerProxy::clone(&worker));
                }
                Some(worker)
            }
            // The search may wait in the queue behind slow calls.
            Err(Error::Connect(ConnectError::TimedOut { .. })) => None,
            Err(Error::Connect(_)) if plan.lossy => None,
            Err(error) => panic!("a clerk cannot be found: {error}"),
        }
    }

    fn call(&mut self, worker: &WorkerProxy) -> Made<R> {
        let kind = self.random.u8(..12);
        let seconds = self.random.f64() * 2.0;
        let timeout = match self.random.u8(..4) {
            // The called agent may be slow.
            0 if kind < 6 => Some(Duration::from_millis(self.random.u64(1..3000))),
            _ => None,
        };
        let mut gives_up = self.runtime.timer();
        if self.random.u8(..8) == 0 {
            gives_up.set(self.runtime.now() + Duration::from_millis(self.random.u64(..1000)));
        }
        let worker = timeout.map_or_else(|| worker.clone(), |timeout| worker.with_timeout(timeout));
        let oracle = self.at_work.0.oracle();
        let begin = |kind| oracle.begin(kind, timeout.map(|timeout| (self.runtime.now(), timeout)));
        let repeats = self.at_work.0.0.plan.reconnects && self.random.bool();
        let (ticket, call) = match kind {
            0..=3 if repeats => begin(Kind::Repeats).with(|token| worker.idempotent().stamp(token)),
            4 if repeats => {
                begin(Kind::Repeats).with(|token| worker.idempotent().later(token, seconds))
            }
            0..=3 => begin(Kind::Answers).with(|token| worker.stamp(token)),
            4 => begin(Kind::Answers).with(|token| worker.later(token, seconds)),
            5 => begin(Kind::Answers).with(|token| worker.alone(token, seconds / 4.0)),
            6 => begin(Kind::Fails).with(|token| worker.refuse(token)),
            7 | 8 => begin(Kind::Relays).with(|token| worker.relay(token, self.own.proxy())),
            9 => begin(Kind::Answers).with(|token| worker.keep(token, self.own.proxy())),
            _ => begin(Kind::Answers).with(|token| worker.ask_kept(token)),
        };
        Made { ticket: Some(ticket), call, gives_up }
    }
}

impl Ticket {
    fn with(self, call: impl FnOnce(u64) -> Call<u64>) -> (Self, Call<u64>) {
        let call = call(self.token());
        (self, call)
    }
}
