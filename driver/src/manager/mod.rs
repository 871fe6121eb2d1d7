//! Agents that are made when somebody elsewhere asks for them: aiomas' `Manager`.
//!
//! A container with a [`Manager`] makes agents for others, which need not know more of them than a name. What
//! can be made is in the manager's [`Factories`]; a name that is not there is an error, and nothing that
//! comes over the wire is ever taken for code, a path or a program.
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
//! /// Makes meters for others, until one of them says that it is enough.
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
//! And elsewhere, in a program that knows the manager's URL:
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

/// An agent that makes others in its container, sets the container's clock, and tells when it is enough.
///
/// On the wire it is aiomas' `Manager`: programs in Python can use it, and a [`ManagerProxy`] can use
/// theirs. Whoever can connect to its container can use it, unless the container or
/// [`authorize`](aiomas_core::rpc::authorize) says otherwise: `container.spawn(authorize(manager, check))`. How many agents can be made is limited by
/// [`max_agents`](aiomas_core::agent::ContainerConfig::max_agents).
pub struct Manager {
    factories: Factories,
    stop: Stop,
}

#[agent]
impl Manager {
    /// A manager that makes what these factories make.
    #[must_use]
    pub fn new(factories: Factories) -> Self {
        Self { factories, stop: Stop::default() }
    }

    /// The time at which somebody calls [`stop`](ManagerProxy::stop), or the manager is gone. To be asked
    /// for before the manager is put into its container.
    pub fn stopped(&self) -> Stopped {
        self.stop.stopped()
    }

    /// Lets the factory `qualname` make an agent of the arguments, and waits until that has started. Returns a reference
    /// to it, and its URL.
    ///
    /// For arguments that are at hand as values; see [`spawn`](ManagerProxy::spawn).
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

    /// Sets the clock of the container, which has to be an external one, to a later time in seconds.
    #[expose]
    fn set_time(&self, time: f64, #[context] context: &Context) -> Result<(), Error> {
        context.clock()?.set_time(time)
    }

    /// Tells whoever has started the container that it is enough. The container usually ends then.
    #[expose]
    fn stop(&self) {
        self.stop.stop();
    }
}

impl ManagerProxy {
    /// Prepares a call that lets the manager make an agent: `name` is that of its factory, whose arguments
    /// are added one by one. What comes of it is a pair: whatever is made from a [`Proxy`], and the URL of
    /// the agent as text.
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

/// Sets the external clocks of many containers at once: all are told before the first answer is waited for.
///
/// # Errors
/// That of the first manager in the row that could not set its clock. All others have had their chance by
/// then.
///
/// # Cancel safety
/// Once it has been polled, all managers are told.
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
