//! The victim of an attack, and its neighbours.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use aiomas::manager::{Factories, Manager};
use aiomas::{
    Container, Context, Proxy, Runtime,
    channel::Channel,
    rpc::{RpcClient, RpcServer},
};
use aiomas::{Error, agent, service};
use aiomas_core::agent::Address;
use aiomas_core::clock::Date;
use aiomas_core::connection::{Close, CloseReason, FailureText, Limits, Progress, Unpacking};
use aiomas_core::wire::{Codec, RemoteError, Value};

use crate::raw::Raw;
use crate::runtimes::Sleep;

/// Returns low limits, which are quickly reached.
#[must_use]
pub fn limits() -> Limits {
    let mut limits = Limits::exposed();
    limits.max_frame = 128 * 1024;
    limits.budget.depth = 32;
    limits.budget.nodes = 4096;
    limits.budget.path = 256;
    limits.max_calls_in = 64;
    limits.max_calls_out = 64;
    limits.max_input_bytes = 256 * 1024;
    limits.output_high = 64 * 1024;
    limits.output_cap = 256 * 1024;
    limits.send_timeout = Some(Duration::from_secs(2));
    limits.unpacking = Some(Unpacking::new(16 << 20, 16 << 20));
    limits.max_mailbox = 24;
    limits.max_proxies = 64;
    limits.max_connections_per_peer = 48;
    limits.first_frame = Some(Duration::from_secs(2));
    limits.idle = Some(Duration::from_secs(5));
    limits.progress = Some(Progress::new(Duration::from_secs(1), 4096));
    limits.max_failure = 1024;
    limits.failure_text = FailureText::Message;
    limits
}

/// The length of the longest answer of [`Root::text`].
const LONGEST: usize = 1 << 20;

/// The name of the manager's factory.
pub(super) const FACTORY: &str = "victim:Clerk";
/// The maximum number of agents.
pub(super) const MAX_AGENTS: usize = 8;

/// The duration of slow methods.
const STAY: Duration = Duration::from_secs(5);

/// The root service of all victims.
#[derive(Debug)]
pub struct Root {
    sleep: Sleep,
}

#[service(name = "Root")]
impl Root {
    /// Answers at once.
    #[expose]
    fn ping(&self, number: u64) -> u64 {
        number
    }

    /// Accepts any value.
    #[expose]
    fn take(&self, value: Value) -> &'static str {
        drop(value);
        "taken"
    }

    /// Returns a long answer.
    #[expose]
    fn text(&self, length: usize) -> String {
        "x".repeat(length.min(LONGEST))
    }

    /// Answers after [`STAY`].
    #[expose]
    async fn stay(&self, text: String) -> usize {
        self.sleep.wait(STAY).await;
        text.len()
    }

    /// Keeps references for [`STAY`].
    #[expose]
    async fn keep(&self, services: Vec<Proxy>) -> usize {
        self.sleep.wait(STAY).await;
        services.len()
    }

    /// Calls back `times` times, and returns the result of the last call.
    #[expose]
    async fn bounce(&self, service: Proxy, times: u32) -> String {
        let mut answer = String::new();
        for _ in 0..times.min(1000) {
            answer = match service.call("bounce").send::<u64>().await {
                Ok(number) => number.to_string(),
                Err(error) => error.to_string(),
            };
        }
        answer
    }

    /// Calls back `times` times concurrently, and waits for one answer.
    #[expose]
    async fn fan_out(&self, service: Proxy, times: u32) -> bool {
        let calls: Vec<_> =
            (0..times.min(1000)).map(|_| service.call("fan").send::<u64>()).collect();
        let mut last = false;
        for call in calls {
            last = call.await.is_ok();
        }
        last
    }

    #[expose]
    fn panic(&self) {
        panic!("on purpose");
    }

    #[expose]
    fn fail(&self, length: usize) -> Result<(), RemoteError> {
        Err(RemoteError::value_error("\x1b[2J\u{202e}".repeat(length.min(LONGEST) / 8)))
    }

    #[expose]
    fn unencodable(&self) -> Secret {
        Secret
    }
}

/// A type that cannot be encoded.
struct Secret;

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not serializable"))
    }
}

/// An agent.
#[derive(Debug)]
pub struct Clerk {
    sleep: Sleep,
    /// The number of calls of `occupy`.
    times: u64,
}

impl Clerk {
    /// Creates an agent that waits in the time of this runtime.
    pub fn on<R: Runtime>(runtime: &R) -> Self {
        Self { sleep: Sleep::on(runtime), times: 0 }
    }
}

#[agent]
impl Clerk {
    /// Answers at once.
    #[expose]
    fn ping(&self, number: u64) -> u64 {
        number
    }

    /// Returns the time of the container's clock.
    #[expose]
    fn time(&self, #[context] context: &Context) -> Result<f64, Error> {
        Ok(context.clock()?.time())
    }

    /// Sleeps by the container's clock.
    #[expose]
    async fn nap(&self, seconds: f64, #[context] context: &Context) -> Result<(), Error> {
        context.clock()?.sleep(seconds).await
    }

    /// Sleeps until a date.
    #[expose]
    async fn nap_until(&self, date: Date, #[context] context: &Context) -> Result<(), Error> {
        context.clock()?.sleep_until(date).await
    }

    /// Blocks all other calls for [`STAY`].
    #[expose]
    async fn occupy(&mut self) -> u64 {
        self.sleep.wait(Duration::from_secs(1)).await;
        self.times += 1;
        self.times
    }
}

/// Servers on all three layers.
pub struct Victim<R: Runtime> {
    server: RpcServer,
    container: Container,
    target: Target<R>,
    /// Makes the next channel the last one.
    stopped: Arc<AtomicBool>,
}

/// The addresses of a victim.
#[derive(Clone, Debug)]
pub struct Target<R> {
    /// The runtime of the attacker.
    pub runtime: R,
    /// An RPC server with a [`Root`].
    pub rpc: Address,
    /// A container with two [`Clerk`]s, a [`Manager`] that can spawn more, and an external clock.
    pub agents: Address,
    /// A channel that answers numbers, and keeps all other requests until it closes.
    pub channel: Address,
    /// The limits of the victim.
    pub limits: Limits,
    /// The reasons for which the RPC server's connections were closed.
    closed: Arc<Mutex<Vec<CloseReason>>>,
}

impl<R: Runtime> Target<R> {
    /// Returns the target for a peer on another runtime.
    #[must_use]
    pub fn on<S: Runtime>(&self, runtime: S) -> Target<S> {
        let Self { rpc, agents, channel, limits, closed, .. } = self.clone();
        Target { runtime, rpc, agents, channel, limits, closed }
    }

    /// Opens a stream to the RPC server.
    ///
    /// # Panics
    /// The server does not listen.
    pub async fn dial(&self) -> Raw<R> {
        self.dial_at(&self.rpc).await
    }

    /// Opens a stream to any of the servers.
    ///
    /// # Panics
    /// The server does not listen.
    pub async fn dial_at(&self, address: &Address) -> Raw<R> {
        self.try_dial(address).await.expect("the victim listens")
    }

    /// Like [`dial_at`](Self::dial_at), but a full server is an error.
    ///
    /// # Errors
    /// The runtime cannot connect.
    pub async fn try_dial(&self, address: &Address) -> io::Result<Raw<R>> {
        Raw::dial(&self.runtime, address).await
    }

    /// Takes the reasons for which the RPC server's connections were closed since the last time.
    #[must_use]
    pub fn take_closed(&self) -> Vec<CloseReason> {
        std::mem::take(&mut *lock(&self.closed))
    }
}

/// The maximum number of remembered reasons.
const MAX_REASONS: usize = 1000;

impl<R: Runtime> Victim<R> {
    /// Starts the servers, which are reached under the name `host`.
    ///
    /// # Errors
    /// A server cannot listen.
    pub async fn start(runtime: &R, host: &str) -> Result<Self, Error> {
        let address = format!("tcp://{host}:0");
        let closed = Arc::<Mutex<Vec<_>>>::default();
        let server = aiomas::rpc::builder(runtime.clone()).limits(limits());
        let server = server.service(Root { sleep: Sleep::on(runtime) }).on_disconnect({
            let closed = closed.clone();
            move |_, reason| {
                let mut closed = lock(&closed);
                if closed.len() < MAX_REASONS {
                    closed.push(reason.clone());
                }
            }
        });
        let server = server.listen(address.as_str()).await?;
        let container = aiomas::container::builder(runtime.clone()).limits(limits());
        let container = container.container_config(|config| config.max_agents = MAX_AGENTS);
        let container = container.external_clock(Date::MIN, 0.0);
        let container = container.bind(address.as_str()).await?;
        for _ in 0..2 {
            container.spawn(Clerk::on(runtime))?;
        }
        let sleep = Sleep::on(runtime);
        let factories = Factories::new().agent(FACTORY, ["times"], move |times: Option<u64>| {
            Clerk { sleep: sleep.clone(), times: times.unwrap_or_default() }
        });
        container.spawn(Manager::new(factories))?;
        let listener = aiomas::channel::builder(runtime.clone()).limits(limits());
        let mut listener = listener.listen(address.as_str()).await?;
        let channel = listener.address().clone();
        let target = Target {
            runtime: runtime.clone(),
            rpc: server.address().clone(),
            agents: container.address().clone(),
            channel,
            limits: limits(),
            closed,
        };
        let stopped = Arc::new(AtomicBool::new(false));
        runtime.spawn({
            let (runtime, stopped) = (runtime.clone(), stopped.clone());
            async move {
                while let Ok(channel) = listener.accept().await {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    runtime.spawn(answer(channel));
                }
            }
        });
        Ok(Self { server, container, target, stopped })
    }

    /// Returns the addresses of the victim.
    #[must_use]
    pub const fn target(&self) -> &Target<R> {
        &self.target
    }

    /// Returns the numbers of connections and of admission permits, for RPC server and container.
    #[must_use]
    pub fn connections(&self) -> [usize; 4] {
        [
            self.server.clients().len(),
            self.server.admission().open,
            self.container.connection_count(),
            self.container.admission().open,
        ]
    }

    /// Counts connections of RPC server and container whose streams or methods have not ended.
    #[must_use]
    pub fn held(&self) -> usize {
        self.server.admission().open + self.container.admission().open
    }

    /// Stops the servers.
    pub async fn shutdown(self) {
        let Self { server, container, target, stopped } = self;
        stopped.store(true, Ordering::SeqCst);
        let last = Raw::dial(&target.runtime, &target.channel).await;
        server.shutdown_with(Close::Now).await;
        let ended = container.shutdown_with(Close::Now).await;
        ended.expect("a container ends");
        drop(last);
    }
}

impl<R: Runtime> fmt::Debug for Victim<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Victim").field(&self.target.rpc).finish()
    }
}

/// Answers numbers, and keeps all other requests.
async fn answer(channel: Channel) {
    let mut kept = Vec::new();
    while let Some(request) = channel.recv().await {
        match request.content::<u64>() {
            // If the channel has closed, the answer has no receiver.
            Ok(number) => drop(request.reply(&number)),
            Err(_) => kept.push(request),
        }
    }
}

/// A client that calls all servers of a victim in turn, and measures the latency.
#[derive(Debug)]
pub struct Neighbour<R> {
    runtime: R,
    client: RpcClient,
    container: Container,
    clerk: ClerkProxy,
    channel: Channel,
}

impl<R: Runtime> Neighbour<R> {
    /// Connects to a victim.
    ///
    /// # Errors
    /// The victim does not listen.
    pub async fn connect(target: &Target<R>) -> Result<Self, Error> {
        Self::connect_in(target, Codec::Json).await
    }

    /// Like [`connect`](Self::connect), with a codec.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_in(target: &Target<R>, codec: Codec) -> Result<Self, Error> {
        let Target { runtime, rpc, agents, channel, .. } = target;
        let client = aiomas::rpc::builder(runtime.clone()).codec(codec).connect(rpc).await?;
        let container = aiomas::container::builder(runtime.clone()).codec(codec);
        let container = container.bind(local().as_str()).await?;
        let clerk = container.connect(format!("{agents}/1").as_str()).await?;
        let channel = aiomas::channel::builder(runtime.clone()).codec(codec).connect(channel);
        let channel = channel.await?;
        Ok(Self { runtime: runtime.clone(), client, container, clerk, channel })
    }

    /// Calls each server once. Returns the highest latency.
    ///
    /// # Errors
    /// A server does not answer.
    ///
    /// # Panics
    /// An answer is wrong.
    pub async fn call(&self, number: u64) -> Result<Duration, Error> {
        let start = self.runtime.now();
        let answer = self.client.remote().call("ping").arg(number).send::<u64>().await?;
        let rpc = self.runtime.now();
        assert_eq!(answer, number);
        assert_eq!(self.clerk.ping(number).await?, number);
        let agent = self.runtime.now();
        assert_eq!(self.channel.send::<u64>(&number).await?, number);
        let channel = self.runtime.now();
        Ok((rpc - start).max(agent - rpc).max(channel - agent))
    }

    /// Disconnects.
    pub async fn leave(self) {
        let ended = self.container.shutdown_with(Close::Now).await;
        ended.expect("a container ends");
    }
}

/// Returns a unique address in this process.
pub(super) fn local() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("local://guest-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
