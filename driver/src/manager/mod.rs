//! Managers: agents that create agents on request (aiomas' `Manager`).
//!
//! A container with a [`Manager`] creates agents for clients, which need only a name. The manager's [`Factories`]
//! define the available agents; an unknown name is an error, and nothing from the wire is ever treated as code, a path
//! or a program.
//!
//! ```no_run
//! use aiomas::manager::{Factories, Manager};
//! use aiomas::{Container, Error, agent};
//!
//! struct Meter {
//!     volts: f64,
//! }
//!
//! #[agent]
//! impl Meter {
//!     #[expose]
//!     fn read(&self) -> f64 {
//!         self.volts
//!     }
//! }
//!
//! /// Creates meters on request, until a client stops the manager.
//! async fn serve(container: Container) -> Result<(), Error> {
//!     let factories = Factories::new().agent("Meter", ["volts"], |volts: f64| Meter { volts });
//!     let manager = Manager::new(factories);
//!     let stopped = manager.stopped();
//!     container.spawn(manager)?;
//!     stopped.await;
//!     container.shutdown().await
//! }
//! ```
//!
//! A client, in a program that knows the manager's URL:
//!
//! ```no_run
//! # use aiomas::{Container, Error, agent, manager::{self, ManagerProxy}};
//! # struct Meter;
//! # #[agent] impl Meter { #[expose] fn read(&self) -> f64 { 0.0 } }
//! # async fn example(container: Container) -> Result<(), Error> {
//! let manager: ManagerProxy = container.connect("tcp://localhost:5555/0").await?;
//! let (meter, url): (MeterProxy, String) = manager.spawn("Meter").arg(230.0).send().await?;
//! println!("{url} shows {} V", meter.read().await?);
//! manager.stop().await
//! # }
//! ```

mod factories;
mod stop;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

pub use factories::{Attempted, Factories, IntoAgent, Spawned};
pub use stop::Stopped;

use self::stop::Stop;
use super::{CallBuilder, Context, Error, Proxy};
use crate::agent;
use aiomas_core::wire::{RemoteError, Value};

/// An agent that creates others on request (aiomas' `Manager`). It also sets the container's clock, and reports a stop
/// request.
///
/// On the wire it is aiomas' `Manager`: programs in Python can use it, and a [`ManagerProxy`] can use theirs. Every
/// peer of its container can use it, unless the container or [`authorize`](aiomas_core::rpc::authorize) restricts it:
/// `container.spawn(authorize(manager, check))`. [`max_agents`](aiomas_core::agent::ContainerConfig::max_agents) limits
/// the number of agents.
pub struct Manager {
    factories: Factories,
    stop: Stop,
}

#[agent]
impl Manager {
    /// Creates a manager with `factories`.
    #[must_use]
    pub fn new(factories: Factories) -> Self {
        Self { factories, stop: Stop::default() }
    }

    /// Returns a future that ends with a [`stop`](ManagerProxy::stop) request, or when the manager is gone. Call this
    /// before spawning the manager.
    pub fn stopped(&self) -> Stopped {
        self.stop.stopped()
    }

    /// Creates an agent with the factory `qualname`, and waits until it has started. Returns a reference to the agent,
    /// and its URL.
    ///
    /// For arguments available as values; see [`spawn`](ManagerProxy::spawn).
    #[expose(name = "spawn")]
    async fn spawn_with(
        &self,
        qualname: String,
        #[args] args: Vec<Value>,
        #[kwargs] kwargs: BTreeMap<String, Value>,
        #[context] context: &Context,
    ) -> Result<(Proxy, String), RemoteError> {
        let birth = self.factories.find(&qualname, &args, &kwargs, context)?;
        let (proxy, url) = birth(context.clone()).await?;
        Ok((proxy, url.to_string()))
    }

    /// Sets the container's clock, an external one, to a later time in seconds.
    #[expose]
    fn set_time(&self, time: f64, #[context] context: &Context) -> Result<(), Error> {
        context.clock()?.set_time(time)
    }

    /// Signals the owner of the container to stop. The container usually ends then.
    #[expose]
    fn stop(&self) {
        self.stop.stop();
    }
}

impl ManagerProxy {
    /// Prepares a call that creates an agent with the factory `name`. Arguments are added one by one. The result is a
    /// pair: a [`Proxy`] or a type made from one, and the URL of the agent as text.
    ///
    /// ```no_run
    /// # use aiomas::{Error, Proxy, manager::ManagerProxy};
    /// # async fn example(manager: ManagerProxy) -> Result<(), Error> {
    /// let meter = manager.spawn("Meter").arg(230.0).kwarg("digits", 3);
    /// let (meter, url): (Proxy, String) = meter.send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn(&self, name: &str) -> CallBuilder {
        self.as_ref().call("spawn").arg(name)
    }
}

/// Sets the external clocks of many containers at once: all requests are sent before the first answer is awaited.
///
/// # Errors
/// The error of the first manager that could not set its clock. All other managers have been called by then.
///
/// # Cancel safety
/// Once the future has been polled, all managers have been called.
pub async fn set_time<M: Borrow<ManagerProxy>>(
    managers: impl IntoIterator<Item = M>,
    time: f64,
) -> Result<(), Error> {
    let tell = |manager: M| manager.borrow().set_time(time);
    let calls: Vec<_> = managers.into_iter().map(tell).collect();
    let mut result = Ok(());
    for call in calls {
        result = result.and(call.await);
    }
    result
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("factories", &self.factories).finish_non_exhaustive()
    }
}
