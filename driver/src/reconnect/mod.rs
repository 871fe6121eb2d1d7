//! Lines: proxies that outlive their connections.
//!
//! An ordinary proxy lives as long as its connection. One that reconnects calls over a *line*, which has a
//! connection at a time: an agent's is made by [`Connect::reconnect`](crate::Connect::reconnect),
//! an RPC client's by [`Builder::reconnect`](crate::rpc::Builder::reconnect).
//!
//! - A call that is in flight when the connection breaks fails with [`Error::Lost`](crate::Error::Lost): the
//!   callee may have run it, and it is not made again.
//! - The next call dials again, at once; with [`Backoff`](aiomas_core::agent::Backoff) and jitter when that fails,
//!   or when the last connection did not last either. All calls that are made meanwhile wait for the same
//!   attempts, and are then sent in the order in which they were made, whether or not they are awaited.
//!   At most [`max_calls_out`](aiomas_core::connection::Limits::max_calls_out) may wait; more are
//!   [refused](aiomas_core::connection::CallRejected::TooManyCalls).
//! - When no connection could be opened [within](RetryPolicy::limit) the time that was said, all of these fail with
//!   the last attempt's error ([`Error::Dial`](crate::Error::Dial) or [`Error::Connect`](crate::Error::Connect)),
//!   and the line has [given up](ConnectionState::GaveUp). The call after that begins anew, so nothing is dead for
//!   ever. A container that is back but has no such agent, or one of another type
//!   ([`ConnectError::WrongType`](aiomas_core::agent::ConnectError::WrongType)), is not asked again either.
//! - Calls that time out one after another, while nothing comes from the peer, are a sign that nothing gets through: after
//!   the second, and at least a second of silence, the connection takes no more calls, and the next call dials. Calls that
//!   are in flight then can still be answered. Where the peer is a container it is asked in between, so a method that is
//!   merely slow is no sign.
//! - A timeout counts from when a call was made, whatever it then waits for.
//! - Calls of an [idempotent](crate::Proxy::idempotent) proxy are made again when they were lost: until their
//!   timeout, or, if they have none, until the time of the line has passed since they were made. They may
//!   run more than once, but they end once.
//! - References that came over a connection end with it. Our own services are there again on the next one.
//! - What the line is doing, a [`ReconnectingConnection`] tells.
//!
//! A connection that is lost without a call in flight is dialled again with the next call, not before. When the last proxy of a
//! line and its calls are gone, so is whatever is under way for it; it does not keep its container alive, and
//! fails with [`ContainerError::ShutDown`](aiomas_core::agent::ContainerError::ShutDown) when that is shut down.
//!
//! # Example
//!
//! A thermometer that is looked at every second, whatever becomes of its host:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use aiomas::reconnect::ConnectionState;
//! use aiomas::{Container, Error, Proxy};
//!
//! # async fn example(container: Container) -> Result<(), Error> {
//! let thermometer: Proxy = container
//!     .connect("tcp://house:5555/0")
//!     .within(Duration::from_secs(60)) // to find it at first
//!     .reconnect(Duration::from_secs(30)) // to find it again
//!     .await?;
//! let reconnecting = thermometer.reconnecting().expect("it reconnects");
//!
//! // To read is idempotent: it may be done twice.
//! let reader = thermometer.idempotent().with_timeout(Duration::from_secs(10));
//! for _ in 0..60 {
//!     match reader.call("read").send::<f64>().await {
//!         Ok(degrees) => println!("{degrees} °C"),
//!         Err(error) => println!("{error}; {:?}", reconnecting.state()),
//!     }
//!     container.clock().sleep(1.0).await?;
//! }
//!
//! // To switch it off is not, or somebody else's switching it on could be undone.
//! match thermometer.call("switch_off").send::<()>().await {
//!     Ok(()) => println!("it is off"),
//!     Err(Error::Lost(why)) => println!("whether it is off is not known: {why}"),
//!     Err(error) => println!("it is still on: {error}"),
//! }
//! if reconnecting.state() == ConnectionState::Lost {
//!     println!("there is no connection, until the next call");
//! }
//! # Ok(())
//! # }
//! ```

mod handle;
mod queue;
mod redial;
mod redial_backoff;
mod shared;
mod state;

pub use aiomas_core::agent::RetryPolicy;
pub use handle::ReconnectingConnection;
pub(super) use redial::{Attempts, Dials, Redial};
pub(super) use shared::ReconnectShared;
pub use state::ConnectionState;
