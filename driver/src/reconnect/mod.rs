//! Reconnecting connections: proxies that outlive a single connection.
//!
//! An ordinary proxy works as long as its connection lasts. A reconnecting proxy calls over a *reconnecting
//! connection*, which has one connection at a time. [`Connect::reconnect`](crate::Connect::reconnect) makes one to an
//! agent, [`Builder::reconnect`](crate::rpc::Builder::reconnect) one of an RPC client.
//!
//! - A call in flight fails with [`Error::Lost`](crate::Error::Lost) when the connection breaks: the callee may have
//!   run the call, so it is not made again.
//! - The next call dials again, at once; with [`Backoff`](aiomas_core::agent::Backoff) and jitter when that fails, or
//!   when the last connection was short-lived. All calls made meanwhile wait for the same attempts, and are then sent
//!   in the order in which they were made, whether or not they are awaited. At most
//!   [`max_calls_out`](aiomas_core::connection::Limits::max_calls_out) calls may wait; more are
//!   [refused](aiomas_core::connection::CallRejected::TooManyCalls).
//! - When no connection opens [within](RetryPolicy::limit) the configured time, all waiting calls fail with the last
//!   attempt's error ([`Error::Dial`](crate::Error::Dial) or [`Error::Connect`](crate::Error::Connect)), and the state
//!   is [`GaveUp`](ConnectionState::GaveUp). The next call starts anew, so no proxy fails for good. The same happens
//!   at once if the container is back without that agent, or with an agent of another type
//!   ([`ConnectError::WrongType`](aiomas_core::agent::ConnectError::WrongType)).
//! - Consecutive timeouts without any input from the peer indicate a dead connection: after the second, and at least
//!   one second of silence, the connection accepts no more calls, and the next call dials. Calls in flight can still be
//!   answered. A peer container is probed in between, so a method that is merely slow does not count.
//! - A timeout counts from the time when a call was made, and includes every wait.
//! - Lost calls of an [idempotent](crate::Proxy::idempotent) proxy are made again: until their timeout or, without one,
//!   until the limit of the policy has passed since the call. They may run more than once, but complete once.
//! - References that came over a connection end with it. Our own services are available again on the next connection.
//! - A [`ReconnectingConnection`] reports the state.
//!
//! A connection that is lost without a call in flight is dialled again with the next call, not before. Dropping the
//! last proxy and its calls cancels all pending work. A reconnecting connection does not keep its container alive, and
//! fails with [`ContainerError::ShutDown`](aiomas_core::agent::ContainerError::ShutDown) when the container is shut
//! down.
//!
//! # Example
//!
//! This program reads a thermometer every second, across failures of its host:
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
//! // Reading is idempotent: it may run twice.
//! let reader = thermometer.idempotent().with_timeout(Duration::from_secs(10));
//! for _ in 0..60 {
//!     match reader.call("read").send::<f64>().await {
//!         Ok(degrees) => println!("{degrees} °C"),
//!         Err(error) => println!("{error}; {:?}", reconnecting.state()),
//!     }
//!     container.clock().sleep(1.0).await?;
//! }
//!
//! // Switching off is not idempotent: a repeat could undo another client's switching on.
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
