"""The services and agents of every server under test, in any language."""
import asyncio

import compat  # noqa: F401  (before aiomas)
import aiomas
import aiomas.rpc
from aiomas import expose

from peer import Celsius, Point


class Inner:
    router = aiomas.rpc.Service()

    @expose
    def ping(self):
        return 'pong'


class Tools:
    router = aiomas.rpc.Service(['inner'])

    def __init__(self):
        self.inner = Inner()

    @expose
    def upper(self, text):
        return text.upper()


def math_service():
    """Dictionaries are services, too."""
    deep = aiomas.rpc.ServiceDict({'neg': expose(lambda a: -a)})
    return aiomas.rpc.ServiceDict({'mul': expose(lambda a, b: a * b), 'deep': deep})


class Root:
    """The root of the RPC server.  A *peer* is a proxy of a service of the caller."""
    router = aiomas.rpc.Service(['math', 'tools'])
    secret = 42  # no function, and not exposed

    def __init__(self):
        self.math, self.tools = math_service(), Tools()
        self.clients = []

    @expose
    def add(self, a, b):
        return a + b

    @expose
    def echo(self, *args, **kwargs):
        return [args, kwargs]

    @expose
    def ident(self, value):
        return value

    @expose
    def join(self, parts, sep='-'):
        return sep.join(parts)

    @expose
    async def slow(self, ms, value):
        await asyncio.sleep(ms / 1000)
        return value

    @expose
    def fail(self, message):
        raise ValueError(message)

    def hidden(self):
        """Not exposed."""

    @expose
    def unserializable(self):
        return object()

    @expose
    def get_tools(self):
        return self.tools

    @expose
    def get_root(self):
        return self

    @expose
    async def call_me(self, peer, value):
        return await peer.double(value)

    @expose
    async def call_many(self, peer, n):
        return await asyncio.gather(*(peer.double(i) for i in range(n)))

    @expose
    async def call_error(self, peer):
        try:
            await peer.boom()
        except aiomas.RemoteException as error:
            return {'caught': True, 'boom': 'boom' in error.remote_traceback}
        return {'caught': False}

    @expose
    async def call_remote(self, value):
        """Call the root service of the latest client (a handler does not know its caller)."""
        return await self.clients[-1].remote.double(value)

    @expose
    async def nested(self, proxies):
        return await proxies['list'][0].double(21)

    @expose
    def mirror(self, point):
        return Point(point.y, point.x)

    @expose
    def warmer(self, celsius, d):
        return Celsius(celsius.degrees + d)

    @expose
    def louder(self, mode):
        return mode.louder()


class Echo(aiomas.Agent):
    """Agent 0."""

    @expose
    def echo(self, value):
        return value

    @expose
    def add(self, a, b):
        return a + b

    @expose
    def name(self):
        return type(self).__name__

    @expose
    def addr_of(self):
        return self.addr

    @expose
    def fail(self, message):
        raise ValueError(message)

    @expose
    def me(self):
        return self

    @expose
    def date(self, date):
        return date

    @expose
    def shift(self, date, seconds):
        return date.shift(seconds=seconds)

    @expose
    async def meet(self, peer):
        return {'met': await peer.name()}


class Caller(Echo):
    """Agent 1: connects to other agents."""

    @expose
    async def call(self, url, method, args):
        peer = await self.container.connect(url)
        return await getattr(peer, method)(*args)

    @expose
    async def introduce(self, url):
        peer = await self.container.connect(url)
        return await peer.meet(self)


class Clock(aiomas.Agent):
    """Agent 2: the clock of its container."""

    @expose
    def time(self):
        return self.container.clock.time()

    @expose
    def utcnow(self):
        return self.container.clock.utcnow()

    @expose
    def set_time(self, t):
        self.container.clock.set_time(t)

    @expose
    async def sleep(self, dt):
        await self.container.clock.sleep(dt)
        return self.container.clock.time()

    @expose
    async def sleep_until(self, t):
        await self.container.clock.sleep_until(t)
        return self.container.clock.time()
