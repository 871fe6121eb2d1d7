//! Requirements for every runtime: one suite, generic over the runtime, so that adapters cannot
//! diverge.
//!
//! [`for_each_case!`](crate::for_each_case) and
//! [`for_each_socket_case!`](crate::for_each_socket_case) list all cases. A case takes the runtime,
//! and must be polled on it. No case depends on speed, except that expected events must happen
//! within a time limit.

mod agents;
mod bare;
mod cancelling;
mod clocks;
mod closing;
mod codecs;
mod dials;
mod door;
mod dropping;
mod handlers;
mod layers;
mod load;
mod names;
mod narrow;
mod peers;
mod renewal;
mod several;
mod socket_files;
mod sockets;
mod tasks;
mod tls;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aiomas::{Error, service};
use aiomas::{
    Runtime, Timer,
    rpc::{RpcClient, RpcServer},
};
use aiomas_core::agent::Address;

pub use agents::*;
pub use bare::*;
pub use cancelling::*;
pub use clocks::*;
pub use closing::*;
pub use codecs::*;
pub use dials::*;
pub use dropping::*;
pub use handlers::*;
pub use layers::*;
pub use load::*;
pub use names::*;
pub use peers::*;
pub use renewal::*;
pub use several::*;
pub use socket_files::*;
pub use sockets::*;
pub use tasks::*;
pub use tls::*;

/// Calls `$with` with its arguments and the names of all cases for any runtime. Simulated runtimes
/// are included.
#[macro_export]
macro_rules! for_each_case {
    ($with:ident $arguments:tt) => {
        $with! {
            $arguments
            channels_over_every_transport
            rpc_over_every_transport
            agents_over_every_transport
            proxies_go_both_ways_and_last
            proxies_are_values
            a_thousand_calls_in_flight
            eight_mebibytes_both_ways_at_once
            blobs_of_all_sizes
            a_slow_reader_delays_no_other
            a_peer_that_does_not_read_delays_no_other
            a_peer_that_never_reads_is_cut_off
            calls_wait_for_room
            a_thousand_connections
            a_hundred_thousand_agents
            the_peer_closes_its_side
            the_peer_ends_its_side_only
            we_end_our_side_after_the_answers
            shutdown_answers_what_was_called
            shutdown_waits_no_longer_than_it_should
            shutdown_at_once_loses_what_was_called
            a_server_is_shut_down
            a_server_answers_what_was_called
            handles_dropped_in_any_order
            containers_dropped_in_any_order
            a_call_dropped_at_any_point
            waits_dropped_at_any_point
            a_dropped_call_ends_its_method
            without_hello_a_method_runs_to_its_end
            a_deadline_ends_a_method
            orphaned_calls_end_or_not
            requests_on_channels_are_cancelled
            an_address_is_free_after_shutdown
            no_listener
            a_listener_starts_late
            a_server_starts_late
            a_connection_comes_back
            a_client_comes_back
            a_handler_panics
            an_agent_panics
            a_request_is_dropped
            tasks_continue_after_their_call
            calls_start_in_order
            a_full_mailbox_refuses
            an_agent_that_would_wait_for_itself
            agents_call_in_circles
            a_ring_of_containers
            deep_calls_need_no_deep_stack
            agents_start_and_stop
            a_clock_makes_calls
            managers_make_agents_and_set_clocks
            a_manager_that_is_gone_has_stopped
            many_containers
            peers_are_listed
            a_method_closes_its_connection
            a_method_cuts_its_connection
            peers_are_closed_from_outside
            containers_tell_who_comes_and_goes
            servers_tell_who_goes
            a_service_for_some
            a_container_for_some
            a_custom_codec
            free_ports
            advertised_addresses
            two_listeners_on_one_name
        }
    };
}

/// As [`for_each_case!`](crate::for_each_case), with the cases that need the sockets and files of
/// the system.
#[macro_export]
macro_rules! for_each_socket_case {
    ($with:ident $arguments:tt) => {
        $with! {
            $arguments
            eight_mebibytes_through_tiny_buffers
            no_listener_at_a_port
            a_port_is_listened_at_late
            stale_socket_files
            foreign_files
            socket_paths_that_are_too_long
            invalid_socket_paths
            a_listener_removes_its_own_file_only
            a_starter_waits_for_another_one
            one_of_many_starters_listens
            a_full_listener_is_waited_for
            abstract_names
            all_addresses_of_a_name_are_dialled
            all_addresses_of_a_name_are_listened_at
            sockets_know_their_ends
            sockets_are_kept_alive
        }
    };
}

/// More time than any test takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// Fails if `future` does not complete.
async fn soon<R: Runtime, T>(runtime: &R, future: impl Future<Output = T>) -> T {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + LONG);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending if timer.poll(cx).is_ready() => panic!("timed out"),
        polled => polled,
    })
    .await
}

/// Waits until a condition holds. It sleeps between checks, for runtimes whose time passes when all
/// tasks wait.
async fn until<R: Runtime>(runtime: &R, is_so: impl Fn() -> bool) {
    soon(runtime, async {
        while !is_so() {
            pause(runtime).await;
        }
    })
    .await;
}

/// Lets other tasks run for a while.
async fn pause<R: Runtime>(runtime: &R) {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + Duration::from_millis(1));
    std::future::poll_fn(|cx| timer.poll(cx)).await;
}

/// Lets other ready tasks run once.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a future in a task, and returns a future of its output.
fn start<R: Runtime, T: Send + 'static>(
    runtime: &R,
    future: impl Future<Output = T> + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = oneshot();
    runtime.spawn(async move { sender(future.await) });
    receiver
}

type Receiver<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Returns a channel for one value.
fn oneshot<T: Send + 'static>() -> (impl FnOnce(T) + Send, Receiver<T>) {
    use std::sync::{Arc, Mutex};
    let place: Arc<Mutex<(Option<T>, Option<Waker>)>> = Arc::new(Mutex::new((None, None)));
    let sender = {
        let place = place.clone();
        move |value| {
            let waker = {
                let mut place = place.lock().expect("no panic under the lock");
                place.0 = Some(value);
                place.1.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    };
    let receiver = std::future::poll_fn(move |cx| {
        let mut place = place.lock().expect("no panic under the lock");
        if let Some(value) = place.0.take() {
            return Poll::Ready(value);
        }
        place.1 = Some(cx.waker().clone());
        Poll::Pending
    });
    (sender, Box::pin(receiver))
}

/// Polls once.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn number() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Returns a unique path.
fn file() -> PathBuf {
    std::env::temp_dir().join(format!("aiomas-suite-{}-{}", std::process::id(), number()))
}

/// Returns a unique name in this process.
fn local() -> Address {
    Address::Local(format!("suite-{}", number()).into())
}

/// Returns the unique address of a Unix socket.
fn ipc() -> Address {
    Address::Ipc(file().display().to_string().into())
}

/// Returns an address of each kind to listen at.
fn addresses() -> [Address; 3] {
    [TCP.parse().expect("an address"), ipc(), local()]
}

const TCP: &str = "tcp://127.0.0.1:0";

/// A service with methods of each kind.
#[derive(Debug)]
pub struct Root;

#[service(name = "Root")]
impl Root {
    #[expose]
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    #[expose]
    fn echo(&self, text: String) -> String {
        text
    }

    #[expose]
    fn fail(&self, message: String) -> Result<(), String> {
        Err(message)
    }

    /// Never answers.
    #[expose]
    async fn wait(&self) {
        std::future::pending().await
    }

    #[expose]
    fn panic(&self) {
        panic!("on purpose");
    }

    #[expose]
    async fn panic_later(&self) {
        let mut polled = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                panic!("on purpose, later");
            }
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }
}

async fn serve<R: Runtime>(runtime: &R, address: &str) -> Result<RpcServer, Error> {
    aiomas::rpc::builder(runtime.clone()).service(Root).listen(address).await
}

async fn connect<R: Runtime>(runtime: &R, server: &RpcServer) -> Result<RpcClient, Error> {
    aiomas::rpc::builder(runtime.clone()).connect(server.address()).await
}
