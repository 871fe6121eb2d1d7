//! A connection, shared by the task that moves its bytes and its handles.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::handler::Handler;
use super::send_queue::SendQueue;
use super::slots::{SlotKey, Slots};
use crate::acceptor::AdmissionPermit;
use crate::contain::wake_all;
use crate::endpoint::Endpoint;
use crate::heavy::HeavyWork;
use crate::host::Host;
use crate::local_dispatch::LocalDispatch;
use crate::lock::lock;
use crate::stop::Stop;
use crate::wakers::{Awaited, Registration, WakerSet};
use aiomas_core::connection::{self, Close, CloseReason, Config, RequestId, Side, Stats};
use aiomas_core::rpc::Caller;
use aiomas_core::wire::{Codec, CodecContext, CodecError, Format};

/// A connection. Its lock is held briefly: never over a system call or over user code.
pub(crate) struct Connection {
    pub(super) state: Mutex<State>,
    pub(super) host: Arc<dyn Host>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) heavy: Arc<HeavyWork>,
    id: u64,
    caller: Caller,
    /// The [`Format`] of content, a copy of the state machine's, for encoding without the lock. It changes when a peer
    /// addresses a listener in another codec, or with Hello; the machine then rejects content in the old format.
    pub(super) format: AtomicU8,
    pub(super) codec_context: CodecContext,
    /// The codec context with the types agreed on in Hello.
    pub(super) agreed: OnceLock<CodecContext>,
    /// The number of handles, and the number of received references among them.
    pub(super) users: AtomicUsize,
    pub(super) received: AtomicUsize,
    max_received: usize,
    /// Whether the time of answers matters: the connection closes when it is idle.
    pub(super) times_idleness: bool,
    /// Whether the task yields once before it writes calls: see [`WriteHalf`](super::write_half::WriteHalf).
    pub(super) coalesces: bool,
    /// Whether dropping the last handle closes the connection.
    pub(super) closes_unused: bool,
    /// The time limit for closing.
    pub(super) drain: Duration,
    /// Whether the end of the connection cancels the peer's calls.
    pub(super) cancels_orphans: bool,
    /// The connection's permit on its listener, as long as it is held.
    pub(super) permit: OnceLock<Weak<AdmissionPermit>>,
    /// The tasks that wait for the close. They also wake when the connection stops accepting calls.
    pub(super) closing: WakerSet,
}

impl Awaited for Connection {
    fn wakers(&self) -> &WakerSet {
        &self.closing
    }
}

/// The sans-IO connection: the single record of whether it is open, closing or closed, and why.
pub(super) type Machine = connection::Connection<SlotKey>;

/// State shared by the task and the handles.
pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) slots: Slots,
    /// The latest time known to the task: commands that need no exact time use it instead of reading the clock.
    pub(super) now: Instant,
    /// The task's waker, while the task waits. A command takes it, so that further commands do not wake the task again.
    pub(super) task: Option<Waker>,
    pub(super) sends: SendQueue,
    /// Channel replies, and tasks that receive requests, which wait until output is written.
    pub(super) replies: SendQueue,
    /// Stoppable methods in tasks, by request.
    pub(super) running: BTreeMap<RequestId, Arc<Stop>>,
    /// Whether a reconnecting connection calls over it.
    pub(super) redials: bool,
}

/// Settings of a new connection.
pub(crate) struct ConnectionConfig {
    pub(crate) config: Arc<Config>,
    /// Handles large requests and messages.
    pub(crate) heavy: Arc<HeavyWork>,
    pub(crate) side: Side,
    /// The number of the connection on its server or container. No number is used twice.
    pub(crate) id: u64,
    /// The peer, as callees see it.
    pub(crate) caller: Caller,
    pub(crate) closes_unused: bool,
    pub(crate) coalesces: bool,
    pub(crate) drain: Duration,
    /// Whether the end of the connection cancels the peer's calls.
    pub(crate) cancels_orphans: bool,
}

impl Connection {
    /// Creates a connection. `peer_context` identifies it to references to services that arrive over it.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        handler: Arc<dyn Handler>,
        config: ConnectionConfig,
        peer_context: impl FnOnce(Weak<Self>) -> Arc<dyn Any + Send + Sync>,
    ) -> Arc<Self> {
        let ConnectionConfig {
            config,
            heavy,
            side,
            id,
            caller,
            closes_unused,
            coalesces,
            drain,
            cancels_orphans,
        } = config;
        Arc::new_cyclic(|this: &Weak<Self>| {
            let now = host.now();
            let (max_received, times_idleness) =
                (config.limits.max_proxies, config.limits.idle.is_some());
            let mut machine = Machine::new(config, side, now);
            let codec_context = machine.codec_context().with_peer(peer_context(this.clone()));
            machine.set_codec_context(codec_context.clone());
            Self {
                format: AtomicU8::new(machine.codec().format() as u8),
                state: Mutex::new(State {
                    machine,
                    slots: Slots::default(),
                    now,
                    task: None,
                    sends: SendQueue::default(),
                    replies: SendQueue::default(),
                    running: BTreeMap::new(),
                    redials: false,
                }),
                host,
                handler,
                heavy,
                id,
                caller,
                codec_context,
                agreed: OnceLock::new(),
                users: AtomicUsize::new(0),
                received: AtomicUsize::new(0),
                max_received,
                times_idleness,
                coalesces,
                closes_unused,
                drain,
                cancels_orphans,
                permit: OnceLock::new(),
                closing: WakerSet::default(),
            }
        })
    }

    /// Returns the number of the connection on its server or container.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn peer(&self) -> Option<&str> {
        self.caller.address.as_deref()
    }

    pub(crate) fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        self.handler.local_dispatch()
    }

    pub(crate) fn endpoint(&self) -> Option<&dyn Endpoint> {
        self.handler.endpoint()
    }

    /// Returns the format of content, which may change before the content is sent.
    pub(crate) fn format(&self) -> Format {
        if self.format.load(Ordering::Relaxed) == Format::Json as u8 {
            Format::Json
        } else {
            Format::MsgPack
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.host.now()
    }

    pub(crate) fn codec(&self) -> Codec {
        lock(&self.state).machine.codec()
    }

    pub(crate) fn max_mailbox(&self) -> u32 {
        lock(&self.state).machine.limits().max_mailbox
    }

    /// Returns the codec context of content.
    pub(crate) fn codec_context(&self) -> &CodecContext {
        self.agreed.get().unwrap_or(&self.codec_context)
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.state).machine.stats()
    }

    /// Changes the state, and wakes the task to process the change.
    #[inline]
    pub(super) fn command<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let (result, task) = {
            let mut state = lock(&self.state);
            (f(&mut state), state.task.take())
        };
        wake_all(task);
        result
    }

    pub(crate) fn close(&self, how: Close) {
        let now = self.host.now();
        self.command(|state| state.machine.close(now, how));
    }

    /// Waits until the connection is closed, and returns the reason.
    pub(crate) async fn closed(&self) -> CloseReason {
        let mut waiting = Registration::new(self);
        poll_fn(|cx| Self::poll_closed(&mut waiting, cx)).await
    }

    pub(crate) fn poll_closed<P: Deref<Target = Self>>(
        waiting: &mut Registration<P>,
        cx: &Context<'_>,
    ) -> Poll<CloseReason> {
        waiting.register(cx);
        match lock(&waiting.awaited().state).machine.close_reason() {
            Some(reason) => Poll::Ready(reason.clone()),
            None => Poll::Pending,
        }
    }

    /// Checks whether one more reference from the peer may be kept.
    pub(crate) fn admits_reference(&self) -> Result<(), CodecError> {
        let limit = self.max_received;
        if self.received.load(Ordering::Relaxed) >= limit {
            return Err(CodecError::TooManyProxies { limit });
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).machine.close_reason().is_some()
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).machine.is_open()
    }

    /// Describes why the connection accepts no more calls.
    pub(crate) fn ending(&self) -> String {
        let ending = lock(&self.state).machine.ending();
        ending.unwrap_or_else(|| "it is being closed".to_owned())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("caller", &self.caller).finish_non_exhaustive()
    }
}
