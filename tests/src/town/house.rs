//! Containers and those who call their agents.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aiomas::Error;
use aiomas::{AgentRef, Call, Container, Runtime, Timer};
use aiomas_core::agent::{Address, AgentUrl, ConnectError, Patience};
use aiomas_core::wire::Codec;

use super::clerk::{Clerk, ClerkProxy};
use super::ledger::{Kind, Ledger, Ticket};

/// What all houses share.
#[derive(Clone, Debug)]
pub struct Town(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    plan: Plan,
    /// The containers, as they are there now.
    houses: Mutex<Vec<Option<Container>>>,
    /// How many callers are at work.
    callers: AtomicUsize,
}

/// How much there is of everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Containers.
    pub houses: usize,
    /// Agents in each.
    pub clerks: usize,
    /// Who call them, in each.
    pub callers: usize,
    /// How many times each of these makes some calls at once.
    pub rounds: usize,
    /// How many calls may be in flight on a connection.
    pub max_calls: usize,
    /// Whether attempts to connect may fail.
    pub lossy: bool,
    /// Whether callers keep proxies that reconnect.
    pub reconnects: bool,
}

/// A container with its agents, on a runtime.
#[derive(Debug)]
pub struct House<R> {
    town: Town,
    runtime: R,
    container: Container,
    clerks: Vec<AgentRef<Clerk>>,
}

impl Town {
    /// A town without houses yet.
    #[must_use]
    pub fn new(plan: Plan, ledger: Ledger) -> Self {
        let houses = Mutex::new(vec![None; plan.houses]);
        Self(Arc::new(Shared { ledger, plan, houses, callers: AtomicUsize::new(0) }))
    }

    /// What is known of the calls.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// How many callers are at work.
    #[must_use]
    pub fn callers(&self) -> usize {
        self.0.callers.load(Ordering::Relaxed)
    }

    fn houses(&self) -> MutexGuard<'_, Vec<Option<Container>>> {
        self.0.houses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The containers that are there.
    #[must_use]
    pub fn containers(&self) -> Vec<Container> {
        self.houses().iter().flatten().cloned().collect()
    }

    /// Lets each container call each other one, so that whoever has lost a peer without a word learns of it.
    ///
    /// # Errors
    /// Somebody cannot be called.
    pub async fn greet_all(&self) -> Result<(), Error> {
        let containers = self.containers();
        for one in &containers {
            for other in &containers {
                let url = AgentUrl::new(other.address().clone(), "0");
                let clerk: ClerkProxy = one.connect(url).within(Duration::from_secs(60)).await?;
                let ticket = self.0.ledger.begin(Kind::Answers, None);
                let result = clerk.stamp(ticket.token()).await;
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
        let houses = std::mem::take(&mut *self.houses());
        for container in houses.iter().flatten() {
            container.shutdown().await?;
        }
        Ok(())
    }
}

impl<R: Runtime> House<R> {
    /// Builds the house with this number at an address.
    ///
    /// # Errors
    /// It cannot listen there.
    pub async fn build(
        town: &Town,
        number: usize,
        runtime: R,
        address: Address,
    ) -> Result<Self, Error> {
        let codec = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc][number % 3];
        let max_calls = town.0.plan.max_calls;
        let container = aiomas::container::builder(runtime.clone())
            .codec(codec)
            .config(|config| config.limits.max_calls_out = max_calls);
        let container = container.bind(address).await?;
        let clerk =
            || container.spawn(Clerk::new(town.ledger().clone(), container.clock().clone()));
        let clerks = (0..town.0.plan.clerks).map(|_| clerk()).collect::<Result<_, _>>()?;
        // What was there before a crash goes, which ends what is left of it.
        let before = town.houses()[number].replace(container.clone());
        drop(before);
        Ok(Self { town: town.clone(), runtime, container, clerks })
    }

    /// Lets the callers go to work.
    pub fn open(self) {
        let Self { town, runtime, container, clerks } = self;
        for _ in 0..town.0.plan.callers {
            town.0.callers.fetch_add(1, Ordering::Relaxed);
            let caller = Caller {
                at_work: AtWork(town.clone()),
                random: fastrand::Rng::with_seed(runtime.seed()),
                runtime: runtime.clone(),
                container: container.clone(),
                own: clerks[0].clone(),
                lines: BTreeMap::new(),
            };
            runtime.spawn(caller.work());
        }
    }
}

/// Is counted.
struct AtWork(Town);

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
    /// Who is passed on to others.
    own: AgentRef<Clerk>,
    /// Whom it has found, by house and id.
    lines: BTreeMap<(usize, usize), ClerkProxy>,
}

/// A call that has been made.
struct Made<R: Runtime> {
    /// Until it has ended.
    ticket: Option<Ticket>,
    call: Call<u64>,
    /// When it is given up.
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

    /// Makes some calls at once, and sees what comes of them.
    async fn round(&mut self) {
        let Some(clerk) = self.find().await else { return };
        let count = self.random.usize(1..8);
        let mut made: Vec<Made<R>> = (0..count).map(|_| self.call(&clerk)).collect();
        self.random.shuffle(&mut made);
        poll_fn(|cx| {
            made.retain_mut(|made| made.poll(&self.runtime, cx).is_pending());
            if made.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Somebody to call.
    async fn find(&mut self) -> Option<ClerkProxy> {
        let town = &self.at_work.0;
        let plan = &town.0.plan;
        let (house, aid) = (self.random.usize(..plan.houses), self.random.usize(..plan.clerks));
        if let Some(line) = self.lines.get(&(house, aid)) {
            return Some(line.clone());
        }
        // A house that has not been built yet has no address.
        let address = town.houses()[house].as_ref()?.address().clone();
        let patience = match self.random.u8(..3) {
            0 => Patience::Once,
            _ => Patience::Until(Duration::from_millis(self.random.u64(100..20_000))),
        };
        let url = AgentUrl::new(address, aid.to_string());
        let mut connect = self.container.connect(url).patience(patience);
        if plan.reconnects {
            connect = connect.reconnect(Duration::from_millis(self.random.u64(100..20_000)));
        }
        match connect.await {
            Ok(clerk) => {
                if plan.reconnects {
                    self.lines.insert((house, aid), ClerkProxy::clone(&clerk));
                }
                Some(clerk)
            }
            // It may have to wait for room behind calls that take their time.
            Err(Error::Connect(ConnectError::TimedOut { .. })) => None,
            Err(Error::Connect(_)) if plan.lossy => None,
            Err(error) => panic!("a clerk cannot be found: {error}"),
        }
    }

    fn call(&mut self, clerk: &ClerkProxy) -> Made<R> {
        let kind = self.random.u8(..12);
        let seconds = self.random.f64() * 2.0;
        let timeout = match self.random.u8(..4) {
            // Whom it calls may take its time.
            0 if kind < 6 => Some(Duration::from_millis(self.random.u64(1..3000))),
            _ => None,
        };
        let mut gives_up = self.runtime.timer();
        if self.random.u8(..8) == 0 {
            gives_up.set(self.runtime.now() + Duration::from_millis(self.random.u64(..1000)));
        }
        let clerk = timeout.map_or_else(|| clerk.clone(), |timeout| clerk.with_timeout(timeout));
        let ledger = self.at_work.0.ledger();
        let begin = |kind| ledger.begin(kind, timeout.map(|timeout| (self.runtime.now(), timeout)));
        let repeats = self.at_work.0.0.plan.reconnects && self.random.bool();
        let (ticket, call) = match kind {
            0..=3 if repeats => begin(Kind::Repeats).with(|token| clerk.idempotent().stamp(token)),
            4 if repeats => {
                begin(Kind::Repeats).with(|token| clerk.idempotent().later(token, seconds))
            }
            0..=3 => begin(Kind::Answers).with(|token| clerk.stamp(token)),
            4 => begin(Kind::Answers).with(|token| clerk.later(token, seconds)),
            5 => begin(Kind::Answers).with(|token| clerk.alone(token, seconds / 4.0)),
            6 => begin(Kind::Fails).with(|token| clerk.refuse(token)),
            7 | 8 => begin(Kind::Relays).with(|token| clerk.relay(token, self.own.proxy())),
            9 => begin(Kind::Answers).with(|token| clerk.keep(token, self.own.proxy())),
            _ => begin(Kind::Answers).with(|token| clerk.ask_kept(token)),
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
