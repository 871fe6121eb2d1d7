"""The framework of scenarios: their registry, connections to the server under test, and checks."""
import asyncio
import contextlib
import math
import tempfile

import peer
import aiomas
import aiomas.channel
import aiomas.rpc

SCENARIOS = []


def scenario(kind, types=None, clock=None):
    """Register a scenario: a coroutine with the :class:`Server` as its argument.

    It runs if the server has just these *types* and this kind of *clock*; if not given, always.
    """
    def register(func):
        SCENARIOS.append((func.__name__, kind, types, clock, func))
        return func
    return register


class Server:
    """The server under test."""

    def __init__(self, args):
        self.addr, self.options, self.codec = args.addr, args.options, args.options['codec']()
        self.json, self.tls, self.clock = args.codec == 'json', args.tls, args.clock
        self.context = aiomas.make_ssl_client_context(*args.tls) if args.tls else None

    def url(self, aid):
        return '%s/%s' % (self.addr, aid)

    def frame(self, *message):
        payload = self.codec.encode(message)
        return aiomas.channel.Header.pack(len(payload)) + payload

    @contextlib.asynccontextmanager
    async def channel(self):
        channel = await aiomas.channel.open_connection(self.addr.raw, ssl=self.context, **self.options)
        try:
            yield channel
        finally:
            await channel.close()

    @contextlib.asynccontextmanager
    async def rpc(self, service=None):
        """A connection; the server can call *service*."""
        client = await aiomas.rpc.open_connection(self.addr.raw, rpc_service=service, ssl=self.context,
                                                  **self.options)
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def container(self):
        """A container of our own, on the same kind of address as the server."""
        with tempfile.TemporaryDirectory() as folder:
            ipc = self.addr.startswith('ipc:')
            addr = peer.Address('ipc://[%s/socket]' % folder if ipc else 'tcp://127.0.0.1:0')
            container = await peer.create_container(addr, ssl=self.tls, **self.options)
            try:
                yield container
            finally:
                await container.shutdown(as_coro=True)

    @contextlib.asynccontextmanager
    async def stream(self):
        """A bare connection, for bytes that aiomas would not write."""
        addr = self.addr.raw
        reader, writer = await (asyncio.open_unix_connection(addr) if isinstance(addr, str)
                                else asyncio.open_connection(*addr, ssl=self.context))
        try:
            yield Stream(reader, writer, self.codec)
        finally:
            writer.close()


class Stream:
    """A bare connection."""

    def __init__(self, reader, writer, codec):
        self.reader, self.write, self.codec = reader, writer.write, codec

    async def receive(self):
        size, = aiomas.channel.Header.unpack(await self.reader.readexactly(4))
        return listed(self.codec.decode(await self.reader.readexactly(size)))


def listed(value):
    """Replaces tuples by lists, as MsgPack does."""
    if isinstance(value, (list, tuple)):
        return [listed(item) for item in value]
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return value


def same(a, b):
    """Strictly equal: 1, 1.0 and True differ, and so do 0.0 and -0.0; NaN equals itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b) or (a, math.copysign(1, a)) == (b, math.copysign(1, b))
    return a == b


def expect(got, wanted):
    got, wanted = listed(got), listed(wanted)
    if not same(got, wanted):
        raise AssertionError('got %.300r instead of %.300r' % (got, wanted))


async def expect_failure(call, *phrases):
    """*call* fails on the other side, with a text that contains the *phrases*."""
    try:
        got = await call
    except aiomas.RemoteException as error:
        for phrase in phrases:
            if phrase not in error.remote_traceback:
                raise AssertionError('no %r in %r' % (phrase, error.remote_traceback))
    else:
        raise AssertionError('got %.300r instead of a failure' % (got,))


async def expect_disconnect(call):
    try:
        got = await call
    except ConnectionError:
        return
    raise AssertionError('got %.300r instead of a connection error' % (got,))
