//! Connecting and accepting.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aiomas::{Listener, waits};
use aiomas_core::agent::Address;

use crate::fault::Fault;
use crate::net::{BindAddr, Connecting, HostId};
use crate::stream::Stream;
use crate::timer::sleep;
use crate::world::World;

/// The delay before an unanswered connect is repeated. It doubles each time, up to six repetitions,
/// as on Linux.
const KNOCK_AGAIN: Duration = Duration::from_secs(1);
const KNOCKS: u32 = 7;

/// Accepts streams on a host.
pub struct Acceptor {
    world: Arc<World>,
    address: Address,
    /// The host and the address of the listener.
    key: (HostId, BindAddr),
    serial: u64,
}

pub(crate) fn listen(world: &Arc<World>, host: HostId, on: &Address) -> io::Result<Acceptor> {
    let (address, serial) = world.change(|state| state.net.listen(&mut state.env, host, on))?;
    let key = (host, BindAddr::of(&address)?);
    Ok(Acceptor { world: world.clone(), address, key, serial })
}

pub(crate) async fn dial(world: Arc<World>, from: HostId, address: Address) -> io::Result<Stream> {
    let to = world.lock().net.resolve(from, &address)?;
    let latency = |from, to| {
        let state = &mut *world.lock();
        state.env.rng.time(Fault::Latency, &state.net.links.between(from, to).latency)
    };
    let mut wait = KNOCK_AGAIN;
    for _ in 0..KNOCKS {
        sleep(&world, latency(from, to)).await;
        let knocked = world.change(|state| state.net.connect(&mut state.env, from, to, &address));
        // The stream is open on the server's side; the reply still travels to the client.
        let opened = match knocked {
            Ok(Connecting::Opened(half_stream)) => Ok(Stream::new(world.clone(), half_stream)),
            Err(error) => Err(error),
            Ok(Connecting::Unanswered) => {
                sleep(&world, wait).await;
                wait *= 2;
                continue;
            }
        };
        sleep(&world, latency(to, from)).await;
        return opened;
    }
    Err(io::Error::new(ErrorKind::TimedOut, format!("{address} has not been heard of")))
}

impl Listener for Acceptor {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = self.world.lock().net.accept(&self.key, self.serial, cx.waker())?;
        match accepted {
            Some(half_stream) => Poll::Ready(Ok(Stream::new(self.world.clone(), half_stream))),
            None => {
                waits::note(|| format!("to be dialled at {}", self.address));
                Poll::Pending
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.world.change(|state| state.net.close(&mut state.env, &self.key, self.serial));
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor").field(&self.address).finish()
    }
}
