"""Channels: requests and replies in both directions over one connection."""
import asyncio
import collections
import logging
import socket
import struct
import time
import traceback
import weakref

from . import _native, _plain, codecs, local_queue
from .exceptions import LimitExceeded, RemoteException
from .util import event_loop

__all__ = [
    'REQUEST', 'RESULT', 'EXCEPTION', 'DEFAULT_CODEC', 'open_connection', 'start_server', 'Header',
    'Request', 'Channel', 'ChannelProtocol',
]

# Types of messages
REQUEST = 0
RESULT = 1
EXCEPTION = 2

DEFAULT_CODEC = codecs.JSON

Header = struct.Struct('!L')

# In how many iterations of the loop a request is handled that came together with an answer: a task that waits for the answer
# goes on before, even if it waits by way of gather() or wait_for().
_HOPS = 3

logger = logging.getLogger(__name__)


async def open_connection(addr, *, loop=None, codec=None, extra_serializers=(), timeout=0,
                          limits=None, hello=False, **kwds):
    """Return a :class:`Channel` to *addr*: a tuple *(host, port)*, the path of a Unix socket, or a local queue.

    *codec* is a subclass of :class:`aiomas_rs.codecs.Codec`, by default JSON.  *extra_serializers* are callables that return the
    arguments of :meth:`~aiomas_rs.codecs.Codec.add_serializer`.

    With a *timeout* of 0 there is one attempt; with more seconds, or ``None``, the attempts go on for as long.

    *limits* is a dict of limits by name.  With *hello*, a peer in Rust, or another one of this package, is asked for its codecs
    and extensions, such as cancelling.  Other keywords are those of the loop's ``create_connection()``.

    """
    loop = event_loop(loop)
    codec = _make_codec(codec, extra_serializers)

    def factory():
        return ChannelProtocol(codec, loop=loop, limits=limits, hello=hello)

    if limits:
        # An unknown one is an error before there is a connection.
        factory()
    if isinstance(addr, tuple):
        connect, args, refused = loop.create_connection, addr, OSError
    elif isinstance(addr, str):
        connect, args, refused = loop.create_unix_connection, (addr,), (
            FileNotFoundError, ConnectionRefusedError)
    elif isinstance(addr, local_queue.LocalQueue):
        connect, args, refused = local_queue.create_connection, (addr,), ConnectionRefusedError
        kwds['loop'] = loop
    else:
        raise ValueError('Unknown address type: %s' % (addr,))

    until = time.monotonic() + (float('inf') if timeout is None else timeout)
    delay = 0.05
    while True:
        try:
            _transport, protocol = await connect(factory, *args, **kwds)
            return protocol.channel
        except refused:
            left = until - time.monotonic()
            if left <= 0:
                raise
            logger.debug('Could not connect to %s. Next attempt in %.2f s', addr, min(delay, left))
            await asyncio.sleep(min(delay, left))
            delay = min(delay * 2, 5)


async def start_server(addr, client_connected_cb, *, loop=None, codec=None, extra_serializers=(),
                       limits=None, hello=False, **kwds):
    """Listen on *addr* and call *client_connected_cb* with the :class:`Channel` of each client.

    The arguments are those of :func:`open_connection`.  Return a server, which for sockets is an :class:`asyncio.Server`.

    """
    loop = event_loop(loop)

    def factory():
        return ChannelProtocol(_make_codec(codec, extra_serializers), client_connected_cb,
                               loop=loop, limits=limits, hello=hello)

    if limits:
        # An unknown one is an error here, rather than in each connection.
        factory()
    if isinstance(addr, tuple):
        return await loop.create_server(factory, *addr, **kwds)
    if isinstance(addr, str):
        return await loop.create_unix_server(factory, addr, **kwds)
    if isinstance(addr, local_queue.LocalQueue):
        return await local_queue.create_server(factory, addr, **kwds)
    raise ValueError('Unknown address type: %s' % (addr,))


def _make_codec(codec, extra_serializers):
    codec = codec() if codec else DEFAULT_CODEC()
    for serializer in extra_serializers:
        codec.add_serializer(*serializer())
    return codec


class ChannelProtocol(asyncio.Protocol):
    """Moves bytes between a transport and a state machine in Rust, and tells it the time."""

    def __init__(self, codec, client_connected_cb=None, *, loop, limits=None, hello=False):
        self.codec = codec
        self.transport = None
        self.channel = None
        self._client_connected_cb = client_connected_cb
        self._loop = loop
        self._limits = limits
        self._hello = hello
        self._link = self._make_link()
        self._paused = False
        self._read_paused = False
        self._flushes = False
        self._timed = bool(limits or hello)
        self._timer = None
        self._reason = None
        self._connection_lost = None
        self._closed = loop.create_future()
        self._drained = []

    def connection_made(self, transport):
        """Make the :class:`Channel`, and hand it to the callback of :func:`start_server`."""
        self.transport = transport
        sock = transport.get_extra_info('socket')
        if sock is not None and sock.family != getattr(socket, 'AF_UNIX', None):
            # Not all loops do so.
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                pass
        self.channel = channel = Channel(self, self.codec, transport, loop=self._loop)
        channel._link = self._link
        if self._client_connected_cb is not None:
            result = self._client_connected_cb(channel)
            if asyncio.iscoroutine(result):
                self._loop.create_task(result)
        self._flush()
        if self._timed:
            self._set_timer()

    def _make_link(self):
        # The link must not keep the protocol.
        reference = weakref.ref(self)

        def failure(kind, text):
            protocol = reference()
            return _failure(None if protocol is None else protocol.channel, kind, text)

        format_ = self.codec._native_format()
        if format_ is None:
            return _plain.Connection(self.codec, failure)
        types = [_type_name(type_) for type_ in self.codec._serializers] + ['proxy']
        return _native.Connection(self.codec, format_, self._client_connected_cb is not None,
                                  failure, self._limits, self._hello, types)

    def data_received(self, data):
        """Take bytes of the peer."""
        answered, items = self._link.receive(data)
        if items is not None:
            self.channel._take(items, answered)
        self._flush()
        if self._timed:
            self._set_timer()

    def eof_received(self):
        """Let all calls fail, and the transport close."""
        self._flush()
        self._lose(ConnectionResetError('Connection closed by the peer'))

    def connection_lost(self, exc):
        """Let all calls fail."""
        if not isinstance(exc, ConnectionError):
            lost = ConnectionResetError(str(exc) if exc else self._reason or 'Connection closed')
            lost.__cause__ = exc
            exc = lost
        self._lose(exc)
        self._connection_lost = exc
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake_writers()

    def pause_writing(self):
        """Leave output in the state machine, which then bounds it."""
        self._paused = True

    def resume_writing(self):
        """Go on with output."""
        self._paused = False
        self._flush()
        if not self._paused:
            self._wake_writers()

    def _flush(self):
        """Write what there is to write."""
        self._flushes = False
        if self._paused:
            return
        link = self._link
        data = link.take()
        if data is not None and not self.transport.is_closing():
            self.transport.write(data)
        if self._read_paused is link.wants_read:
            self._pause_reading(not self._read_paused)

    def _flush_soon(self):
        """Write all that this iteration of the loop has to write, at once."""
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _pause_reading(self, pause):
        self._read_paused = pause
        if self.transport.is_closing():
            return
        if pause:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
            # Requests may wait in the state machine.
            self._loop.call_soon(self.data_received, b'')

    def _set_timer(self):
        seconds = self._link.timeout()
        if seconds is None:
            return
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self):
        self._timer = None
        _answered, items = self._link.handle_timeout()
        if items is not None:
            self.channel._take(items, True)
        self._flush()
        self._set_timer()

    def _lose(self, exc):
        self.channel._set_exception(exc)

    async def _drain(self):
        """Wait until the transport takes bytes."""
        if self._paused and self._connection_lost is None:
            waiter = self._loop.create_future()
            self._drained.append(waiter)
            await waiter

    def _wake_writers(self):
        waiters, self._drained = self._drained, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _type_name(type_):
    """The name by which peers of other languages know a type."""
    return 'date' if type_.__name__ == 'Arrow' else type_.__name__


def _failure(channel, kind, text):
    """Make the exception of a call that has no result."""
    if kind == 'remote':
        origin = None if channel is None else channel.get_extra_info('peername')
        return RemoteException(origin, text)
    if kind == 'timeout':
        return asyncio.TimeoutError(text)
    if kind == 'limit':
        return LimitExceeded(text)
    exc = None if channel is None else channel._exception
    if exc is None:
        return ConnectionResetError(text)
    copy = type(exc)(*exc.args)
    copy.__cause__ = exc.__cause__
    return copy


class Request:
    """A request of the peer.  Await :meth:`reply` or :meth:`fail`, once."""

    def __init__(self, incoming, channel):
        self._incoming = incoming
        self._channel = channel

    @property
    def content(self):
        """What the peer asks."""
        return self._incoming.content

    @property
    def _msg_id(self):
        return self._incoming.id

    async def reply(self, result):
        """Send *result*.  If it cannot be serialized, the peer is told so."""
        channel = self._channel
        channel._check()
        channel._reply(self._incoming, result)
        channel._protocol._flush_soon()
        await channel._protocol._drain()

    async def fail(self, exception):
        """Let the peer's call fail, with the traceback of *exception*."""
        channel = self._channel
        channel._check()
        channel._fail(self._incoming, exception)
        channel._protocol._flush_soon()
        await channel._protocol._drain()


class Channel:
    """One end of a connection.  Get it from :func:`open_connection` or :func:`start_server`."""

    def __init__(self, protocol, codec, transport, loop):
        self._protocol = protocol
        self._codec = codec
        self._transport = transport
        self._loop = loop
        self._create_future = loop.create_future
        self._link = None
        self._in_queue = collections.deque()
        self._waiter = None
        self._exception = None
        # The handler of requests, in place of recv().
        self._handler = None
        self._hops = 0

    @property
    def codec(self):
        """The codec in which messages are written."""
        return self._codec

    @property
    def transport(self):
        """The transport of the connection."""
        return self._transport

    @property
    def stats(self):
        """Counts of what went over the connection, by name."""
        return self._link.stats()

    def send(self, content, timeout=None):
        """Send a request and return a future of its reply.

        The future fails with a :exc:`~aiomas_rs.exceptions.RemoteException` if the peer says so, with a :exc:`ConnectionError` if
        the connection is lost, and with a :exc:`TimeoutError` after *timeout* seconds.  If it is cancelled, a late reply is
        ignored.  Content that cannot be serialized raises an exception here.

        """
        if self._exception is not None:
            raise _failure(self, 'lost', '')
        future = self._create_future()
        protocol = self._protocol
        if timeout is None and not protocol._hello:
            self._link.call(content, future)
        else:
            self._send_timed(content, future, timeout)
        if not protocol._flushes:
            protocol._flush_soon()
        return future

    def _send_timed(self, content, future, timeout):
        link = self._link
        id_ = link.call(content, future, timeout)
        self._protocol._timed = True
        self._protocol._set_timer()

        def cancel(future):
            if future.cancelled():
                link.cancel(id_)
                self._protocol._flush_soon()

        future.add_done_callback(cancel)

    async def recv(self):
        """Return the next :class:`Request`.

        Raise a :exc:`ConnectionError` if the connection is lost, and a :exc:`RuntimeError` if another task waits already.

        """
        self._check()
        if not self._in_queue:
            if self._waiter is not None:
                raise RuntimeError(
                    'recv() called while another coroutine is already waiting for incoming data.')
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return Request(self._in_queue.popleft(), self)

    async def close(self):
        """Close the connection, after what has been sent is written, and wait until it is closed."""
        self._close()
        if not self._protocol._closed.done():
            await asyncio.shield(self._protocol._closed)

    def get_extra_info(self, name, default=None):
        """Return what the transport knows of *name*, such as ``'peername'``."""
        return self._transport.get_extra_info(name, default)

    def _check(self):
        if self._exception is not None:
            raise self._exception

    def _close(self):
        if not self._transport.is_closing():
            self._protocol._flush()
            self._transport.close()

    def _take(self, items, answered):
        """Take requests of the peer."""
        if type(items[-1]) is str:
            self._protocol._reason = items.pop()
            self._loop.call_soon(self._transport.close)
        queue = self._in_queue
        if self._handler is None:
            queue.extend(items)
            if self._waiter is not None and not self._waiter.done() and queue:
                self._waiter.set_result(None)
        elif answered or queue or self._hops:
            queue.extend(items)
            self._handle_soon()
        else:
            queue.extend(items)
            self._handle()

    def _serve(self, handler):
        """Let *handler* handle all requests, instead of :meth:`recv`."""
        self._handler = handler
        if self._in_queue:
            self._handle_soon()

    def _handle(self):
        # Handlers may run the loop, and so come here again.
        queue, handler = self._in_queue, self._handler
        while queue:
            handler(queue.popleft())

    def _handle_soon(self):
        if not self._hops:
            self._hops = _HOPS
            self._loop.call_soon(self._hop)

    def _hop(self):
        self._hops -= 1
        if self._hops:
            self._loop.call_soon(self._hop)
        else:
            self._handle()
            self._protocol._flush()

    def _reply(self, incoming, value):
        try:
            self._link.reply(incoming, value)
        except ConnectionError:
            pass
        except Exception as exc:
            self._fail(incoming, exc)

    def _fail(self, incoming, exc):
        text = ''.join(traceback.format_exception(type(exc), exc, exc.__traceback__))
        try:
            self._link.fail(incoming, type(exc).__qualname__, str(exc), text)
        except ConnectionError:
            pass

    def _set_exception(self, exc):
        """Let all that waits for the peer fail with *exc*."""
        if self._exception is not None:
            return
        self._exception = exc
        self._link.lost()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc)

    async def _wait_lost(self):
        """Wait for the end of the connection, which this raises."""
        self._check()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
