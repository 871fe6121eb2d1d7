"""Agents, and the containers that they live in."""
import asyncio
import collections
import functools
import socket
import ssl as ssl_module
import weakref

from . import channel, clocks, local_queue, rpc, util

__all__ = ['SSLCerts', 'Container', 'Agent']

PROTOCOLS = {'tcp', 'ipc', 'local'}

SSLCerts = collections.namedtuple('SSLCerts', 'cafile, certfile, keyfile')
"""Names of files in PEM format: certificates of the authority, a certificate, and its key."""


def _get_base_url(addr):
    if isinstance(addr, tuple):
        host, port = addr
        if host in (None, '', '::', '0.0.0.0'):
            host = socket.getfqdn()
        return 'tcp://{}:{}/'.format(host, port)
    if isinstance(addr, local_queue.LocalQueue):
        return 'local://{}/'.format(addr.queue_id)
    return 'ipc://[{}]/'.format(addr)


def _make_ssl_contexts(ssl):
    """Return the contexts for the server and for clients."""
    if isinstance(ssl, SSLCerts):
        return (util.make_ssl_server_context(*ssl), util.make_ssl_client_context(*ssl))
    if isinstance(ssl, tuple):
        if len(ssl) != 2 or not all(isinstance(context, ssl_module.SSLContext) for context in ssl):
            raise TypeError('"ssl" must contain two "ssl.SSLContext" instances; one for the server '
                            'and one for the client.')
        return ssl
    return None, None


class Container:
    """A server for agents, with connections to other containers.  Make it with :meth:`create`."""

    router = rpc.Service(['agents'])

    @classmethod
    def create(cls, addr, *, clock=None, codec=None, extra_serializers=None, ssl=None,
               as_coro=False, loop=None, limits=None, hello=False):
        """Make a container that listens on *addr*.

        :param addr: *(host, port)*, the path of a Unix socket, or a :class:`~aiomas_rs.local_queue.LocalQueue`.  If the host is
            ``None``, ``''``, ``'0.0.0.0'`` or ``'::'``, the URLs of agents have the machine's name.
        :param clock: a :class:`~aiomas_rs.clocks.BaseClock`, by default the real time.
        :param codec: a subclass of :class:`~aiomas_rs.codecs.Codec`, by default JSON.
        :param extra_serializers: callables that return the arguments of
            :meth:`~aiomas_rs.codecs.Codec.add_serializer`.
        :param ssl: :class:`SSLCerts`, or a tuple of two :class:`ssl.SSLContext`, for the server and for clients.
        :param as_coro: return a coroutine, if the loop is running.
        :param loop: the event loop.
        :param limits: a dict of limits by name, for each connection.
        :param hello: ask peers for their codecs and extensions; see :func:`aiomas_rs.channel.open_connection`.

        """
        base_url = _get_base_url(addr)
        server_context, client_context = _make_ssl_contexts(ssl)
        loop = util.event_loop(loop)
        codec = codec or channel.DEFAULT_CODEC
        clock = clock or clocks.AsyncioClock(loop=loop)
        options = {
            'codec': codec,
            'extra_serializers': [util.arrow_serializer] + list(extra_serializers or ()),
        }
        if limits is not None:
            options['limits'] = limits
        if hello:
            options['hello'] = hello

        async def start():
            container = cls(base_url, loop, clock, dict(options, ssl=client_context))
            container.set_server(await rpc.start_server(
                addr, container, container._add_to_con_cache, loop=loop, ssl=server_context,
                **options))
            return container

        return start() if as_coro else util.run(start(), loop=loop)

    def __init__(self, base_url, loop, clock, connect_kwargs):
        self._tcp_server = None
        self._rpc_cons = set()
        self._loop = loop
        self._base_url = base_url
        self._clock = clock
        self._connect_kwargs = connect_kwargs
        self.agents = rpc.ServiceDict()
        # By address: tasks that open a connection, and connections.
        self._dials = {}
        self._connections_out = {}
        # By connection: proxies of agents by their names.
        self._remote_agents = weakref.WeakKeyDictionary()

    def __str__(self):
        return '{}({!r})'.format(type(self).__name__, self._base_url)

    @property
    def loop(self):
        """The event loop."""
        return self._loop

    @property
    def clock(self):
        """The clock, a :class:`~aiomas_rs.clocks.BaseClock`."""
        return self._clock

    def set_server(self, server):
        """Set the server, once."""
        if self._tcp_server is not None:
            raise RuntimeError('Server already set.')
        self._tcp_server = server

    async def connect(self, url, timeout=0):
        """Return a proxy of the agent at *url*, such as ``'tcp://localhost:5555/0'``.

        All agents of a container share a connection to each address.  One that was lost is opened anew.

        With a *timeout* of 0 there is one attempt; with more seconds, or ``None``, the attempts go on for as long.  Raise a
        :exc:`ConnectionError` or another :exc:`OSError` if there is no such container or agent.

        """
        addr, name = self._parse_url(url)
        connection = await self._open_connection(addr, timeout)
        agents = self._remote_agents.setdefault(connection, weakref.WeakValueDictionary())
        agent = agents.get(name)
        if agent is None:
            remote_type = await connection.remote.validate_aid(name)
            if remote_type is None:
                raise ConnectionError('Agent "{}" does not exist in Container({!r})'.format(
                    name, addr))
            agent = agents.get(name)
            if agent is None:
                agent = agents[name] = rpc.Proxy(connection.channel, 'agents/' + name)
                agent._str = '{}Proxy({!r})'.format(remote_type, url)
        return agent

    def shutdown(self, as_coro=False):
        """Close the server and all connections.  Return a coroutine if *as_coro* is true, as it must be in a running loop."""
        coro = self._shutdown()
        return coro if as_coro else util.run(coro, loop=self._loop)

    async def _shutdown(self):
        for dial in self._dials.values():
            dial.cancel()
        await asyncio.gather(*[con.close() for con in self._connections_out.values()])
        server, self._tcp_server = self._tcp_server, None
        if server is None:
            return
        server.close()
        services = [con.service for con in self._rpc_cons or ()]
        self._rpc_cons = None
        for service in services:
            service.cancel()
        await asyncio.gather(server.wait_closed(), *services, return_exceptions=True)

    @router.expose
    def validate_aid(self, aid):
        """Return the class name of the agent *aid*, or ``None``."""
        agent = self.agents.dict.get(aid)
        return None if agent is None else type(agent).__name__

    def _add_to_con_cache(self, rpc_con):
        """Keep a connection until it ends."""
        if self._rpc_cons is None:
            rpc_con.service.cancel()
            return
        self._rpc_cons.add(rpc_con)
        rpc_con.service.add_done_callback(functools.partial(self._forget, rpc_con))

    def _forget(self, rpc_con, _service):
        if self._rpc_cons is not None:
            self._rpc_cons.discard(rpc_con)

    @staticmethod
    def _parse_url(url):
        """Return the address and the name of the agent in *url*."""
        try:
            protocol, rest = url.split('://', 1)
            if protocol not in PROTOCOLS:
                raise ValueError('{} not in {}'.format(protocol, PROTOCOLS))
            if protocol == 'ipc':
                if rest[0] != '[':
                    raise ValueError('The path must be in brackets.')
                addr, name = rest[1:].split(']/', 1)
            else:
                addr, name = rest.split('/', 1)
            if protocol == 'local':
                addr = local_queue.get_queue(addr)
            elif protocol == 'tcp':
                host, port = addr.rsplit(':', 1)
                if host[0] == '[' and host[-1] == ']':
                    host = host[1:-1]
                addr = (host, int(port))
            if not name:
                raise ValueError('No agent ID specified.')
        except (IndexError, ValueError) as exc:
            raise ValueError('Cannot parse agent URL "{}": {}'.format(url, exc)) from None
        return addr, name

    async def _open_connection(self, addr, timeout):
        connection = self._connections_out.get(addr)
        if connection is not None and connection.channel._exception is None:
            return connection
        dial = self._dials.get(addr)
        if dial is None:
            dial = self._dials[addr] = self._loop.create_task(self._dial(addr, timeout))
            dial.add_done_callback(functools.partial(self._dialled, addr))
        # Others may wait for it as well.
        return await asyncio.shield(dial)

    async def _dial(self, addr, timeout):
        connection = await rpc.open_connection(
            addr, rpc_service=self, timeout=timeout, loop=self._loop, **self._connect_kwargs)
        self._connections_out[addr] = connection
        self._add_to_con_cache(connection)
        return connection

    def _dialled(self, addr, dial):
        del self._dials[addr]
        if not dial.cancelled():
            # Retrieved here, since every waiter may have been cancelled.
            dial.exception()

    def _register(self, agent):
        """Add *agent* and return its URL."""
        name = str(len(self.agents.dict))
        self.agents.dict[name] = agent
        self.agents.router.set_sub_router(agent.router, name)
        return self._base_url + name


class Agent:
    """Base class of agents."""

    router = rpc.Service()
    """Gives each agent its :class:`~aiomas_rs.rpc.Router`."""

    def __init__(self, container):
        if not isinstance(container, Container):
            raise TypeError('"container" must be a "Container" instance but is {}'.format(container))
        addr = container._register(self)
        self.__container = container
        self.__addr = addr
        self.__name = '{}({!r})'.format(type(self).__name__, addr)

    def __str__(self):
        return self.__name

    @property
    def container(self):
        """The container that the agent lives in."""
        return self.__container

    @property
    def addr(self):
        """The URL of the agent."""
        return self.__addr
