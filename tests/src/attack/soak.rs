//! Attackers, aborting peers and clients of all kinds, concurrently and for any duration.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aiomas::Error;
use aiomas::{Container, Runtime};
use aiomas_core::agent::Address;
use aiomas_core::wire::Codec;
use futures_lite::FutureExt;
use futures_lite::future::zip;

use super::{Attack, ClerkProxy, Neighbour, Target, Victim, request};
use crate::raw::{Raw, pause, within};

/// The time after which a well-behaved call counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// The interval between calls of a well-behaved client.
const EVERY: Duration = Duration::from_millis(2);
/// The number of calls after which a client reconnects.
const VISIT: u64 = 500;

/// The number of concurrent attackers.
const ATTACKERS: u64 = 4;

const CODECS: [Codec; 3] = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc];

/// Counters of a soak.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls with a correct answer.
    pub answered: AtomicU64,
    /// Well-behaved calls and connects that failed.
    pub lost: AtomicU64,
    /// Peers that aborted.
    pub resets: AtomicU64,
    /// Completed attacks.
    pub attacks: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
    last_loss: Mutex<Option<String>>,
}

impl Tally {
    /// Takes the latencies of all calls since the last time, sorted.
    #[must_use]
    pub fn take_latencies(&self) -> Vec<Duration> {
        let mut latencies =
            std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner));
        latencies.sort_unstable();
        latencies
    }

    /// Returns the last loss, if any.
    #[must_use]
    pub fn last_loss(&self) -> Option<String> {
        self.last_loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a call. `during` names the concurrent activity.
    fn note_call(&self, took: Option<Result<Duration, Error>>, during: &str) {
        self.note(match took {
            Some(took) => took.map_err(|error| format!("{error}, during {during}")),
            None => Err(format!("a call takes for ever, during {during}")),
        });
    }

    fn note(&self, took: Result<Duration, String>) {
        match took {
            Ok(took) => {
                self.answered.fetch_add(1, Relaxed);
                self.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            }
            Err(error) => {
                self.lost.fetch_add(1, Relaxed);
                *self.last_loss.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    }
}

/// All tasks of a soak.
pub struct Soak<R: Runtime> {
    runtime: R,
    /// A victim that is not attacked: an attacker takes all slots for its address.
    quiet: Victim<R>,
    homes: Vec<Container>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    /// Counts tasks that run until they are stopped.
    running: Arc<()>,
}

impl<R: Runtime> Soak<R> {
    /// Starts all tasks.
    ///
    /// # Errors
    /// A server cannot listen.
    pub async fn start(runtime: &R, seed: u64) -> Result<Self, Error> {
        let quiet = Victim::start(runtime, "127.0.0.1").await?;
        let mut soak = Self {
            runtime: runtime.clone(),
            quiet,
            homes: Vec::new(),
            tally: Arc::default(),
            stop: Arc::default(),
            running: Arc::default(),
        };
        let file = std::env::temp_dir().join(format!("aiomas-soak-{}", std::process::id()));
        let ipc = format!("ipc://[{}]", file.display());
        for address in ["tcp://127.0.0.1:0", ipc.as_str(), "local://soak"] {
            let home = aiomas::container::builder(runtime.clone()).bind(address).await?;
            home.spawn(super::Clerk::on(runtime))?;
            soak.homes.push(home);
        }
        soak.spawn_callers();
        soak.spawn_breakers(seed);
        soak.spawn_attackers(seed);
        Ok(soak)
    }

    /// Returns the counters.
    #[must_use]
    pub const fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Returns the number of connections, without those of attackers.
    #[must_use]
    pub fn connections(&self) -> usize {
        let [clients, _, agents, _] = self.quiet.connections();
        clients + agents + self.homes.iter().map(Container::connection_count).sum::<usize>()
    }

    /// Stops all tasks. Returns whether they ended within a minute.
    pub async fn stop(self) -> bool {
        let Self { runtime, quiet, homes, stop, running, .. } = self;
        stop.store(true, Relaxed);
        let ended = within(&runtime, Duration::from_secs(60), async {
            while Arc::strong_count(&running) > 1 {
                pause(&runtime, Duration::from_millis(10)).await;
            }
        });
        let ended = ended.await.is_some();
        quiet.shutdown().await;
        for home in homes {
            let shut_down = home.shutdown().await;
            shut_down.expect("a container ends");
        }
        ended
    }

    /// Runs a future until the soak stops, and creates a new one whenever it ends.
    fn repeat<F>(&self, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, running) = (self.stop.clone(), self.running.clone());
        self.runtime.spawn(async move {
            while !stop.load(Relaxed) {
                make().await;
            }
            drop(running);
        });
    }

    /// Spawns clients of all layers, in each codec, over all kinds of addresses.
    fn spawn_callers(&self) {
        for codec in CODECS {
            let target = self.quiet.target().clone();
            let (tally, stop) = (self.tally.clone(), self.stop.clone());
            self.repeat(move || visit(target.clone(), codec, tally.clone(), stop.clone()));
        }
        for home in &self.homes {
            for codec in CODECS {
                let (runtime, to) = (self.runtime.clone(), home.address().clone());
                let (tally, stop) = (self.tally.clone(), self.stop.clone());
                self.repeat(move || {
                    let (tally, stop) = (tally.clone(), stop.clone());
                    visit_agent(runtime.clone(), to.clone(), codec, tally, stop)
                });
            }
        }
    }

    /// Spawns peers that abort in the middle of an action.
    fn spawn_breakers(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (target, tally) = (self.quiet.target().clone(), self.tally.clone());
        self.repeat(move || break_off(target.clone(), random.fork(), tally.clone()));
    }

    /// Spawns attackers that repeat all attacks, each in its own order.
    fn spawn_attackers(&self, seed: u64) {
        for attacker in 0..ATTACKERS {
            let mut random = fastrand::Rng::with_seed(seed + attacker);
            let mut attacks = Vec::new();
            let (runtime, tally) = (self.runtime.clone(), self.tally.clone());
            self.repeat(move || {
                if attacks.is_empty() {
                    attacks = Attack::<R>::all();
                    random.shuffle(&mut attacks);
                }
                let attack = attacks.pop().expect("attacks");
                mount(runtime.clone(), attack, tally.clone())
            });
        }
    }
}

impl<R: Runtime> fmt::Debug for Soak<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Soak").field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// Runs an attack on a victim of its own, beside a calling neighbour.
async fn mount<R: Runtime>(runtime: R, attack: Attack<R>, tally: Arc<Tally>) {
    let victim = Victim::start(&runtime, "127.0.0.1").await.expect("free ports");
    let neighbour = Neighbour::connect(victim.target()).await.expect("a listener");
    let ended = AtomicBool::new(false);
    let attacking = async {
        let attacked = AssertUnwindSafe(attack.run(victim.target())).catch_unwind().await;
        if attacked.is_err() {
            tally.note(Err(format!("the attack {} fails", attack.name)));
        }
        ended.store(true, Relaxed);
    };
    let beside = async {
        while !ended.load(Relaxed) {
            tally.note_call(within(&runtime, PATIENCE, neighbour.call(1)).await, attack.name);
            pause(&runtime, EVERY).await;
        }
    };
    zip(attacking, beside).await;
    tally.attacks.fetch_add(1, Relaxed);
    neighbour.leave().await;
    victim.shutdown().await;
}

/// Connects on all layers, calls for a while, and disconnects.
async fn visit<R: Runtime>(
    target: Target<R>,
    codec: Codec,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
) {
    let runtime = target.runtime.clone();
    let neighbour = within(&runtime, PATIENCE, Neighbour::connect_in(&target, codec)).await;
    let neighbour = match neighbour {
        Some(Ok(neighbour)) => neighbour,
        Some(Err(error)) => return tally.note(Err(format!("{error}, on coming"))),
        None => return tally.note(Err("connecting takes for ever".into())),
    };
    for number in 0..VISIT {
        if stop.load(Relaxed) {
            break;
        }
        let took = within(&runtime, PATIENCE, neighbour.call(number)).await;
        tally.note_call(took, "a visit");
        pause(&runtime, EVERY).await;
    }
    neighbour.leave().await;
}

/// Calls an agent at any kind of address for a while, and disconnects.
async fn visit_agent<R: Runtime>(
    runtime: R,
    to: Address,
    codec: Codec,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
) {
    let calls = async {
        let container = aiomas::container::builder(runtime.clone()).codec(codec);
        let container = container.bind(super::victim::local().as_str()).await?;
        let clerk: ClerkProxy = container.connect(format!("{to}/0").as_str()).await?;
        for number in 0..VISIT {
            if stop.load(Relaxed) {
                break;
            }
            let start = runtime.now();
            let answer = clerk.ping(number).await?;
            assert_eq!(answer, number, "a wrong answer");
            tally.note(Ok(runtime.now() - start));
            pause(&runtime, EVERY).await;
        }
        drop(clerk);
        container.shutdown().await
    };
    if let Err(error) = calls.await {
        tally.note(Err(format!("{error}, at {to}")));
    }
}

/// Opens a stream, writes some bytes, and aborts.
async fn break_off<R: Runtime>(target: Target<R>, mut random: fastrand::Rng, tally: Arc<Tally>) {
    let address = [&target.rpc, &target.agents, &target.channel][random.usize(..3)];
    if let Ok(mut raw) = Raw::dial(&target.runtime, address).await {
        let mut bytes: Vec<u8> = (0..random.usize(..20))
            .flat_map(|id| request(id, ["text", "ping", "stay"][id % 3], [5000]))
            .collect();
        bytes.truncate(random.usize(..=bytes.len()));
        // The victim may have closed already.
        let _written = raw.write(&bytes).await;
        if random.bool() {
            raw.pause(Duration::from_millis(random.u64(..20))).await;
        }
        if random.bool() {
            let _ended = raw.end().await;
        }
    }
    tally.resets.fetch_add(1, Relaxed);
    pause(&target.runtime, Duration::from_millis(20)).await;
}
