//! One connection, shared by the task that moves its bytes and the handles that call over it.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Unsent, append};
use super::send_queue::SendQueue;
use super::slots::{SlotKey, Slots};
use crate::Error;
use crate::acceptor::AdmissionPermit;
use crate::contain::wake_all;
use crate::endpoint::Endpoint;
use crate::heavy::HeavyWork;
use crate::host::Host;
use crate::later::Answer;
use crate::local_dispatch::LocalDispatch;
use crate::lock::lock;
use crate::stop::Stop;
use crate::wakers::{Awaited, Registration, WakerSet};
use aiomas_core::connection::{
    CallError, CallOptions, CallRejected, Close, CloseReason, Config, Connection as Machine,
    ReplyToken, Request, RequestId, Side, Stats,
};
use aiomas_core::internal::{blob, buffer_pool};
use aiomas_core::rpc::Caller;
use aiomas_core::wire::{Body, Codec, CodecContext, CodecError, Format, Payload};

/// A connection. Its lock is held for moments only: neither over a system call nor over user code.
pub(crate) struct Connection {
    pub(super) state: Mutex<State>,
    pub(super) host: Arc<dyn Host>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) heavy: Arc<HeavyWork>,
    id: u64,
    caller: Caller,
    /// What content has to be encoded in, as a `Format`: it changes when a listener is addressed in
    /// another codec, or with Hello.
    pub(super) format: AtomicU8,
    pub(super) codec_context: CodecContext,
    /// The scope with the types that Hello has agreed on.
    pub(super) agreed: OnceLock<CodecContext>,
    /// How many handles there are, and how many of them are references that came over the connection.
    pub(super) users: AtomicUsize,
    pub(super) received: AtomicUsize,
    max_received: usize,
    /// Whether the time of answers matters: the connection closes when it is idle.
    times_idleness: bool,
    /// Whether a line calls over it.
    pub(super) redials: AtomicBool,
    /// Whether the task lets others run once before it writes calls.
    pub(super) coalesces: bool,
    /// Whether the connection closes when the last of them goes.
    pub(super) closes_unused: bool,
    /// How long that may take.
    pub(super) drain: Duration,
    /// Whether what the peer has called ends with the connection.
    pub(super) cancels_orphans: bool,
    /// The connection's place on its listener, as long as anything holds that.
    pub(super) permit: OnceLock<Weak<AdmissionPermit>>,
    /// The tasks that wait for it to close. They are also woken when it takes no calls any more.
    pub(super) closing: WakerSet,
}

impl Awaited for Connection {
    fn wakers(&self) -> &WakerSet {
        &self.closing
    }
}

pub(super) struct State {
    pub(super) machine: Machine<SlotKey>,
    pub(super) slots: Slots,
    /// The latest time that the task knew.
    pub(super) now: Instant,
    /// The task, while it has nothing to do.
    pub(super) task: Option<Waker>,
    pub(super) sends: SendQueue,
    /// Replies on a channel, and those who take requests from it, that wait until output is written.
    pub(super) replies: SendQueue,
    /// What the peer has called that can be stopped.
    pub(super) running: BTreeMap<RequestId, Arc<Stop>>,
    pub(super) closed: Option<CloseReason>,
}

/// What is done with what comes over a connection.
pub(crate) trait Handler: Send + Sync {
    /// Deals with a request. If the answer is there at once, it is returned; it then is written
    /// together with others.
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: Request,
    ) -> Option<(ReplyToken, Answer)>;

    /// Nobody waits any more for these requests, which are in order. Those that are being handled have been told.
    fn cancelled(&self, requests: &[RequestId]) {
        let _ = requests;
    }

    /// The connection takes no calls any more; it may still be answering.
    fn closing(&self, connection: &Arc<Connection>) {
        let _ = connection;
    }

    /// The connection is closed.
    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let _ = (connection, reason);
    }

    /// A call of a line has timed out, and nothing has come since it was made: asks for something that any live peer
    /// answers, so that the next one is not taken for a sign of death.
    fn probe(&self, connection: &Connection) {
        let _ = connection;
    }

    /// The last handle is gone.
    fn unused(&self) {}

    /// The container that the connection is part of.
    fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        None
    }

    /// The container or the server that the connection is part of.
    fn endpoint(&self) -> Option<&dyn Endpoint> {
        None
    }
}

/// What a connection is made with.
pub(crate) struct ConnectionConfig {
    pub(crate) config: Arc<Config>,
    /// Where large requests and messages are dealt with.
    pub(crate) heavy: Arc<HeavyWork>,
    pub(crate) side: Side,
    /// The number of the connection on its server or container. None is used twice.
    pub(crate) id: u64,
    /// Who is at the other end, as callees are told.
    pub(crate) caller: Caller,
    pub(crate) closes_unused: bool,
    pub(crate) coalesces: bool,
    pub(crate) drain: Duration,
    /// Whether what the peer has called ends with the connection.
    pub(crate) cancels_orphans: bool,
}

thread_local! {
    /// Where the content of calls is encoded: outside of the lock, since user code does it.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Content from this size on is handed over instead of being copied.
const LARGE: usize = 1024;

impl Connection {
    /// `peer_context` makes what references to services are recognised by that come over the connection.
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
                    closed: None,
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
                redials: AtomicBool::new(false),
                coalesces,
                closes_unused,
                drain,
                cancels_orphans,
                permit: OnceLock::new(),
                closing: WakerSet::default(),
            }
        })
    }

    /// The number of the connection on its server or container.
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

    /// What content has to be encoded in, unless that changes before it is sent.
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

    /// What content has to be encoded against.
    pub(crate) fn codec_context(&self) -> &CodecContext {
        self.agreed.get().unwrap_or(&self.codec_context)
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.state).machine.stats()
    }

    /// Changes something, and lets the task see to what follows.
    #[inline]
    pub(super) fn command<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let (result, task) = {
            let mut state = lock(&self.state);
            (f(&mut state), state.task.take())
        };
        wake_all(task);
        result
    }

    /// Starts a call whose content `encode` appends.
    pub(crate) fn call(
        &self,
        options: CallOptions,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<Attempt, CallRejected> {
        loop {
            // Taken out while user code runs: that may well make another call.
            let mut content = SCRATCH.take();
            content.clear();
            let format = self.format();
            let (encoded, blobs) =
                blob::left_out(&mut content, |out| encode(format, self.codec_context(), out));
            if encoded.is_ok() && (content.len() >= LARGE || blobs.is_some()) {
                let body = Body::from_parts(format, &mut content, blobs);
                SCRATCH.set(buffer_pool::scratch(content));
                match self.command(|state| state.send(self.now_for(state, options), &body, options))
                {
                    Err(CallRejected::WrongFormat { .. }) => continue,
                    Err(why) if why.is_lack_of_room() => return Ok(self.waits(body, options)),
                    sent => return sent.map(Attempt::Sent),
                }
            }
            let sent = encoded.map_err(CallRejected::Codec).and_then(|()| {
                self.command(|state| {
                    let now = self.now_for(state, options);
                    state.send_small(now, format, &content, options)
                })
            });
            match sent {
                // The codec has changed in between.
                Err(CallRejected::WrongFormat { .. }) => SCRATCH.set(buffer_pool::scratch(content)),
                Err(why) if why.is_lack_of_room() => {
                    let body = Body::from_parts(format, &mut content, None);
                    SCRATCH.set(buffer_pool::scratch(content));
                    return Ok(self.waits(body, options));
                }
                sent => {
                    SCRATCH.set(buffer_pool::scratch(content));
                    return sent.map(Attempt::Sent);
                }
            }
        }
    }

    /// What time it is for a call. Without a deadline that does not matter.
    #[inline]
    fn now_for(&self, state: &State, options: CallOptions) -> Instant {
        if options.timeout.is_some() { self.host.now() } else { state.now }
    }

    /// What time it is for the end of a call.
    #[inline]
    pub(super) fn now_for_end(&self, state: &State) -> Instant {
        if self.times_idleness { self.host.now() } else { state.now }
    }

    /// A call that there is no room for. Its time runs while it waits.
    #[cold]
    fn waits(&self, body: Body, options: CallOptions) -> Attempt {
        let deadline = options.timeout.and_then(|after| {
            let at = self.host.now().checked_add(after)?;
            let mut timer = self.host.timer();
            timer.set(at);
            Some((at, timer))
        });
        Attempt::Waits(Unsent { body, options, place: None, deadline })
    }

    /// Tries again to start a call that was refused for lack of room.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        unsent: &mut Unsent,
    ) -> Poll<Result<SlotKey, Error>> {
        let sent = self.command(|state| {
            let now = self.now_for(state, unsent.options);
            let left = unsent.deadline.as_ref().map(|(at, _)| at.saturating_duration_since(now));
            let mut options = unsent.options;
            options.timeout = left;
            let mut sent = state.send(now, &unsent.body, options);
            if let Err(CallRejected::WrongFormat { wanted, .. }) = sent {
                // The codec has changed since. No user code is in it any more.
                let mut content = Vec::new();
                let appended = append(&unsent.body, wanted, self.codec_context(), &mut content);
                sent = appended.map_err(CallRejected::Codec).and_then(|()| {
                    unsent.body = Body::from_encoded(wanted, content.into());
                    state.send(now, &unsent.body, options)
                });
            }
            match sent {
                Err(why) if why.is_lack_of_room() => {
                    state.sends.wait(&mut unsent.place, cx.waker());
                    Poll::Pending
                }
                sent => {
                    state.sends.release(&mut unsent.place);
                    Poll::Ready(sent)
                }
            }
        });
        if let Poll::Ready(sent) = sent {
            return Poll::Ready(sent.map_err(|why| self.refusal(why)));
        }
        let (Some((_, timer)), Some(after)) = (&mut unsent.deadline, unsent.options.timeout) else {
            return Poll::Pending;
        };
        std::task::ready!(timer.poll(cx));
        self.cancel_send(unsent);
        Poll::Ready(Err(Error::TimedOut { after, sent: false }))
    }

    /// The error of a call that was refused. With TLS 1.3, a client hears only after its handshake that the
    /// server refuses it: then that is what callers have to know.
    #[cold]
    pub(crate) fn refusal(&self, why: CallRejected) -> Error {
        match &lock(&self.state).closed {
            Some(reason @ CloseReason::Tls(_)) if why == CallRejected::Closed => {
                Error::Lost(reason.clone())
            }
            _ => why.into(),
        }
    }

    /// A call that waited for room is given up. If its turn had come, another one has it.
    pub(crate) fn cancel_send(&self, unsent: &mut Unsent) {
        let next = {
            let room = &mut lock(&self.state).sends;
            if room.release(&mut unsent.place) { None } else { room.next() }
        };
        wake_all(next);
    }

    #[inline]
    pub(crate) fn poll_answer(
        &self,
        key: SlotKey,
        cx: &Context<'_>,
    ) -> Poll<Result<Payload, CallError>> {
        lock(&self.state).slots.poll(key, cx)
    }

    /// Gives a call up.
    pub(crate) fn cancel(&self, key: SlotKey) {
        let room = self.command(|state| {
            let id = state.slots.cancel(key)?;
            let now = self.now_for_end(state);
            state.machine.cancel(now, id);
            state.sends.next()
        });
        wake_all(room);
    }

    /// Gives up a call that nobody has waited for yet.
    pub(crate) fn cancel_attempt(&self, attempt: Attempt) {
        match attempt {
            Attempt::Sent(key) => self.cancel(key),
            Attempt::Waits(mut unsent) => self.cancel_send(&mut unsent),
        }
    }

    pub(crate) fn close(&self, how: Close) {
        let now = self.host.now();
        self.command(|state| state.machine.close(now, how));
    }

    /// Waits until the connection is closed, and returns why.
    pub(crate) async fn closed(&self) -> CloseReason {
        let mut waiting = Registration::new(self);
        poll_fn(|cx| Self::poll_closed(&mut waiting, cx)).await
    }

    pub(crate) fn poll_closed<P: Deref<Target = Self>>(
        waiting: &mut Registration<P>,
        cx: &Context<'_>,
    ) -> Poll<CloseReason> {
        waiting.register(cx);
        match &lock(&waiting.awaited().state).closed {
            Some(reason) => Poll::Ready(reason.clone()),
            None => Poll::Pending,
        }
    }

    /// Whether one more reference may be kept that comes over the connection.
    pub(crate) fn admits_reference(&self) -> Result<(), CodecError> {
        let limit = self.max_received;
        if self.received.load(Ordering::Relaxed) >= limit {
            return Err(CodecError::TooManyProxies { limit });
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed.is_some()
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).machine.is_open()
    }

    /// Why it takes no calls any more, in words.
    pub(crate) fn ending(&self) -> String {
        let State { machine, closed, .. } = &*lock(&self.state);
        let reason = closed.as_ref().map(|reason| machine.explain(reason));
        reason.or_else(|| machine.ending()).unwrap_or_else(|| "it is being closed".to_owned())
    }
}

impl State {
    #[inline]
    fn send_small(
        &mut self,
        now: Instant,
        format: Format,
        content: &[u8],
        options: CallOptions,
    ) -> Result<SlotKey, CallRejected> {
        let wanted = self.machine.codec().format();
        if format != wanted {
            return Err(CallRejected::WrongFormat { given: format, wanted });
        }
        let key = self.slots.next();
        let call = self.machine.call_with(now, options, key, |_, _, out| {
            out.extend_from_slice(content);
            Ok(())
        });
        self.slots.insert(call.map_err(|refused| refused.why)?);
        Ok(key)
    }

    fn send(
        &mut self,
        now: Instant,
        body: &Body,
        options: CallOptions,
    ) -> Result<SlotKey, CallRejected> {
        let key = self.slots.next();
        let call = self.machine.call_body(now, body, options, key);
        self.slots.insert(call.map_err(|refused| refused.why)?);
        Ok(key)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("caller", &self.caller).finish_non_exhaustive()
    }
}
