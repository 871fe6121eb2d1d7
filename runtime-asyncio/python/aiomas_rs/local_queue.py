"""A transport between containers of one event loop, on which messages arrive in the order in which they were sent."""
import asyncio
import collections

from .util import event_loop

__all__ = [
    'get_queue', 'clear_queue_cache', 'create_connection', 'create_server', 'LocalQueue',
    'LocalQueueServer', 'LocalQueueTransport',
]

_QUEUES: dict = {}


def get_queue(queue_id):
    """Return the :class:`LocalQueue` of that name, which is a string without ``/``."""
    if not isinstance(queue_id, str):
        raise ValueError('Queue ID must be "str" not "{}"'.format(type(queue_id)))
    if '/' in queue_id:
        raise ValueError('"/" not allowed in queue ID ({!r})'.format(queue_id))
    return _QUEUES.setdefault(queue_id, LocalQueue(queue_id))


def clear_queue_cache():
    """Forget all queues."""
    _QUEUES.clear()


async def create_connection(protocol_factory, lq, *, loop=None, **kwds):
    """Connect to the server of *lq*.  Return a transport and a protocol of *protocol_factory*."""
    loop = event_loop(loop)
    if lq.server is None:
        raise ConnectionRefusedError('No server started for this local queue instance.')
    client = LocalQueueTransport(lq, protocol_factory(), loop)
    server = LocalQueueTransport(lq, lq.server._protocol_factory(), loop)
    client._peer, server._peer = server, client
    lq.server._transports.add(server)
    server._protocol.connection_made(server)
    client._protocol.connection_made(client)
    return client, client._protocol


async def create_server(protocol_factory, lq, **kwds):
    """Let clients connect to *lq*.  Return a :class:`LocalQueueServer`."""
    return LocalQueueServer(protocol_factory, lq)


class LocalQueue:
    """The address of a server within an event loop."""

    def __init__(self, queue_id):
        self._queue_id = queue_id
        self._server = None

    def __repr__(self):
        return '<{}.{} object {!r} at 0x{:x}>'.format(
            type(self).__module__, type(self).__name__, self._queue_id, id(self))

    def __str__(self):
        return '{}({!r})'.format(type(self).__name__, self._queue_id)

    @property
    def queue_id(self):
        """The name of the queue."""
        return self._queue_id

    @property
    def server(self):
        """The server that listens, if there is one."""
        return self._server

    def set_server(self, server):
        """Let *server* listen.  Raise a :exc:`RuntimeError` if another one does."""
        if self._server is not None:
            raise RuntimeError('Server is already set.')
        self._server = server

    def unset_server(self):
        """Let no server listen."""
        self._server = None


class LocalQueueServer(asyncio.AbstractServer):
    """A server that listens on a :class:`LocalQueue`."""

    def __init__(self, protocol_factory, lq):
        self._protocol_factory = protocol_factory
        self._lq = lq
        self._transports = set()
        lq.set_server(self)

    @property
    def lq(self):
        """The queue that the server listens on."""
        return self._lq

    def close(self):
        """Take no more connections."""
        if self._lq.server is self:
            self._lq.unset_server()

    async def wait_closed(self):
        """Return when the connections are closed."""
        futures = [transport._closed for transport in self._transports]
        if futures:
            await asyncio.wait(futures)


class LocalQueueTransport(asyncio.Transport):
    """One end of a connection to a :class:`LocalQueue`."""

    def __init__(self, lq, protocol, loop):
        super().__init__(extra={'peername': str(lq)})
        self._protocol = protocol
        self._loop = loop
        self._peer = None
        self._closing = False
        self._paused = False
        self._input = collections.deque()
        self._closed = loop.create_future()

    def write(self, data):
        """Send bytes."""
        if not self._closing:
            self._loop.call_soon(self._peer._receive, bytes(data))

    def _receive(self, data):
        if self._paused:
            self._input.append(data)
        elif data is None:
            self.close()
        elif not self._closing:
            self._protocol.data_received(data)

    def pause_reading(self):
        self._paused = True

    def resume_reading(self):
        self._paused = False
        while self._input and not self._paused:
            self._receive(self._input.popleft())

    def is_closing(self):
        return self._closing

    def close(self):
        """Close the connection when all is sent."""
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._peer._receive, None)
        self._loop.call_soon(self._lose)

    def _lose(self):
        self._protocol.connection_lost(None)
        if not self._closed.done():
            self._closed.set_result(None)

    def abort(self):
        """Close the connection."""
        self.close()

    def get_protocol(self):
        return self._protocol

    def set_protocol(self, protocol):
        self._protocol = protocol

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        """Return ``False``: one direction cannot be closed alone."""
        return False
