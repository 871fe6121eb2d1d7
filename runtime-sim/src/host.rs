//! Hosts, the runtimes of a simulation.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use aiomas::{AnyRuntime, LocalNames, Runtime};
use aiomas_core::agent::Address;

use crate::dial::{self, Acceptor};
use crate::net::HostId;
use crate::stream::Stream;
use crate::tasks::BoxFuture;
use crate::timer::{Alarm, sleep};
use crate::trace::Step;
use crate::world::World;

/// The result of a program. An error ends the simulation with a panic.
pub type Outcome = Result<(), Box<dyn StdError + Send + Sync>>;

/// A machine of the simulated network, and the [`Runtime`] of the programs on it.
///
/// Its name is the host part of its addresses: peers connect to `tcp://name:port`. On the host
/// itself, `127.0.0.1` and `localhost` name this host. Unix sockets belong to the host, and
/// `local://` names to the simulation.
///
/// The default is the host whose program or task is running.
#[derive(Clone)]
pub struct Host {
    pub(crate) world: Arc<World>,
    pub(crate) id: HostId,
    /// Handles of an earlier life have no effect.
    life: u32,
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    pub(crate) fn new(world: &Arc<World>, id: HostId) -> Self {
        let life = world.lock().hosts[id].life;
        Self { world: world.clone(), id, life }
    }

    /// Returns the name of the host.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.world.lock().net.name(self.id).clone()
    }

    /// Starts a program now, and again at every [restart](crate::Sim::restart) of the host.
    ///
    /// ```
    /// # use aiomas_sim::{Sim, agent};
    /// # struct Meter;
    /// # #[agent] impl Meter {}
    /// # let sim = Sim::new(1);
    /// sim.host("bob").start(|host| async move {
    ///     let container = host.container().bind("tcp://bob:5555").await?;
    ///     container.spawn(Meter)?;
    ///     std::future::pending().await
    /// });
    /// ```
    ///
    /// `?` converts any error. Call a function that returns an error type of its own as
    /// `Ok(run(host).await?)`.
    pub fn start<F>(&self, program: impl Fn(Self) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        // Weak, because the world holds the program.
        let (world, id) = (Arc::downgrade(&self.world), self.id);
        let program = Arc::new(move || -> BoxFuture {
            let Some(world) = world.upgrade() else { return Box::pin(async {}) };
            let host = Self::new(&world, id);
            let (name, program) = (host.name(), program(host));
            Box::pin(async move {
                if let Err(error) = program.await {
                    panic!("the program of {name} has ended with: {error}");
                }
            })
        });
        self.world.lock().hosts[self.id].programs.push(program.clone());
        self.spawn(program());
    }

    /// Waits in virtual time.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait.
    pub async fn sleep(&self, time: Duration) {
        sleep(&self.world, time).await;
    }

    /// Returns a builder of containers on this host.
    pub fn container(&self) -> aiomas::container::Builder<Self> {
        aiomas::container::builder(self.clone())
    }

    /// Returns a builder of RPC clients and servers on this host.
    pub fn rpc(&self) -> aiomas::rpc::Builder<Self> {
        aiomas::rpc::builder(self.clone())
    }

    /// Returns a builder of channels on this host.
    pub fn channel(&self) -> aiomas::channel::Builder<Self> {
        aiomas::channel::builder(self.clone())
    }

    /// Runs `f` with this host as the current one.
    pub(crate) fn enter<T>(self, f: impl FnOnce() -> T) -> T {
        struct Leave(Option<Host>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _leave = Leave(CURRENT.replace(Some(self)));
        f()
    }

    /// Ends all programs and tasks at once, and returns them for the caller to drop. Data sent
    /// before still arrives. With `loses_power`, peers learn of the stop from keep-alive, or once
    /// the host is back.
    #[must_use]
    pub(crate) fn stop(&self, loses_power: bool) -> Vec<(HostId, BoxFuture)> {
        let state = &mut *self.world.lock();
        state.env.note(Step::Stop, self.id as u64, loses_power.into());
        let host = &mut state.hosts[self.id];
        host.life += 1;
        host.down = true;
        state.net.set_dark(self.id, loses_power);
        state.tasks.remove_of(self.id)
    }

    /// Starts all programs again.
    pub(crate) fn restart(&self) {
        let programs = self.world.change(|state| {
            let host = &mut state.hosts[self.id];
            if !std::mem::take(&mut host.down) {
                return Vec::new();
            }
            let programs = host.programs.clone();
            state.net.set_dark(self.id, false);
            state.net.deliver_all(&mut state.env);
            programs
        });
        let host = Self::new(&self.world, self.id);
        for program in programs {
            host.spawn(program());
        }
    }

    /// Fails if the life of this handle has ended.
    fn check(&self) -> io::Result<()> {
        let state = self.world.lock();
        if state.hosts[self.id].life == self.life {
            return Ok(());
        }
        let message = format!("{} has been stopped", state.net.name(self.id));
        Err(io::Error::new(ErrorKind::NetworkDown, message))
    }
}

impl Default for Host {
    /// Returns the host whose program or task is running.
    ///
    /// # Panics
    /// The caller is outside of a simulation.
    fn default() -> Self {
        let current = CURRENT.with_borrow(Clone::clone);
        current.expect(
            "this has to be called from within a simulation: from `Sim::block_on` or a program",
        )
    }
}

impl Runtime for Host {
    type Stream = Stream;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn attach(&self) -> io::Result<AnyRuntime> {
        Ok(AnyRuntime::new(self.clone()))
    }

    fn now(&self) -> Instant {
        self.world.lock().env.now
    }

    /// Returns the simulated date. It begins at the start of 2000, and
    /// [`Sim::step_date`](crate::Sim::step_date) changes it.
    fn since_epoch(&self) -> Duration {
        self.world.lock().env.since_epoch()
    }

    /// Returns the maximum: every task is woken when the date steps, so none needs to check it.
    fn date_check(&self) -> Duration {
        Duration::MAX
    }

    fn seed(&self) -> u64 {
        self.world.lock().env.rng.seed()
    }

    fn local(&self) -> LocalNames {
        self.world.lock().local.clone()
    }

    fn timer(&self) -> Alarm {
        Alarm::new(self.world.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task: BoxFuture = Box::pin(task);
        // A task spawned on a stopped host is dropped here, without the lock.
        let _task = {
            let mut state = self.world.lock();
            if state.hosts[self.id].life == self.life {
                state.tasks.insert(self.id, Some(task));
                None
            } else {
                Some(task)
            }
        };
    }

    /// No time passes while tasks are ready, and each of them is run: no timer is needed.
    fn defer(&self, waker: &Waker) {
        waker.wake_by_ref();
    }

    /// Constant, so that runs do not differ between machines.
    fn parallelism(&self) -> usize {
        1
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        let (alive, world, from) = (self.check(), self.world.clone(), self.id);
        async move {
            alive?;
            dial::dial(world, from, to).await
        }
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        let listener = self.check().and_then(|()| dial::listen(&self.world, self.id, &on));
        async move { listener }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name()).finish()
    }
}
