//! Streams of a [`Runtime`] without its type, and those within this process.

use std::io;
use std::sync::{Arc, Mutex};

use super::acceptor::{Incoming, OpeningListener};
use super::acceptor::{StreamLimits, open, refuse};
use super::host::{BoxFuture, Host};
use super::runtime::Runtime;
use super::stream::Stream;
use super::transport::Transport;
use aiomas_core::agent::Address;
use aiomas_core::connection::{Admission, Limits};

/// See [`Runtime`]. A stream is there when it is open, and goes by the limits.
pub(super) trait Network: Host {
    fn dial(&self, to: Address, limits: &Limits) -> BoxFuture<io::Result<Stream>>;

    /// `admission` says which streams there is a place for.
    fn listen(
        &self,
        on: Address,
        admission: Arc<Mutex<Admission>>,
        limits: &Limits,
    ) -> BoxFuture<io::Result<Box<dyn Incoming>>>;
}

impl<R: Runtime> Network for R {
    fn dial(&self, to: Address, limits: &Limits) -> BoxFuture<io::Result<Stream>> {
        let (runtime, terms) = (self.clone(), StreamLimits::new(limits));
        Box::pin(async move {
            if let Address::Local(name) = to {
                return Ok(Stream::new(&runtime, runtime.local().dial(&name)?, None));
            }
            let mut stream = Runtime::dial(&runtime, to).await?;
            if let Some(how) = terms.keep_alive {
                stream.keep_alive(how)?;
            }
            if let Err(error) = open(&runtime, &mut stream, terms).await {
                let parting = runtime.clone();
                Runtime::spawn(&runtime, async move { refuse(&parting, stream).await });
                return Err(error);
            }
            Ok(Stream::new(&runtime, stream, None))
        })
    }

    fn listen(
        &self,
        on: Address,
        admission: Arc<Mutex<Admission>>,
        limits: &Limits,
    ) -> BoxFuture<io::Result<Box<dyn Incoming>>> {
        let (runtime, terms) = (self.clone(), StreamLimits::new(limits));
        Box::pin(async move {
            let incoming: Box<dyn Incoming> = match on {
                Address::Local(name) => {
                    let listener = runtime.local().listen(name)?;
                    Box::new(OpeningListener::new(runtime, listener, admission, terms))
                }
                on => {
                    let listener = Runtime::listen(&runtime, on).await?;
                    Box::new(OpeningListener::new(runtime, listener, admission, terms))
                }
            };
            Ok(incoming)
        })
    }
}
