"""Remote procedure calls over channels.

A *service* is an object with a *router*: an instance of a class with a :class:`Service`, or a :class:`ServiceDict`.  Functions
that the peer may call are decorated with :func:`expose`.  The peer calls them by proxies: see :attr:`RpcClient.remote`.

"""
import asyncio
import functools
import logging
import types

from . import channel as channel_module
from . import exceptions

__all__ = [
    'open_connection', 'start_server', 'rpc_service_process', 'expose', 'Service', 'ServiceDict',
    'Router', 'RpcClient', 'Proxy',
]

logger = logging.getLogger(__name__)

# Results that are no coroutines.
_PLAIN = frozenset([type(None), bool, int, float, str, bytes, list, tuple, dict])


async def open_connection(addr, *, rpc_service=None, **kwds):
    """Return an :class:`RpcClient` that is connected to *addr*.

    The peer may call *rpc_service*, if there is one.  The other arguments are those of
    :func:`aiomas_rs.channel.open_connection`.

    """
    if rpc_service is not None and not _is_rpc_service(rpc_service):
        raise ValueError('"{}" is not a valid RPC service'.format(rpc_service))
    channel = await channel_module.open_connection(addr, **kwds)
    return RpcClient(channel, rpc_service)


async def start_server(addr, rpc_service, client_connected_cb=None, **kwds):
    """Serve *rpc_service* to all that connect to *addr*, and return the server.

    *client_connected_cb* is called with the :class:`RpcClient` of each connection.  The other arguments are those of
    :func:`aiomas_rs.channel.start_server`.

    """
    if not _is_rpc_service(rpc_service):
        raise ValueError('"{}" is not a valid RPC service.'.format(rpc_service))

    def connected(channel):
        client = RpcClient(channel, rpc_service)
        if client_connected_cb:
            client_connected_cb(client)
        return client

    return await channel_module.start_server(addr, connected, **kwds)


async def rpc_service_process(rpc_client, router, channel):
    """Wait until the connection of *rpc_client* ends, whose requests *router* serves, and close it."""
    try:
        await channel._wait_lost()
    except asyncio.CancelledError:
        pass
    except ConnectionError as exc:
        rpc_client._connection_reset(exc)
    finally:
        try:
            await channel.close()
        except RuntimeError:
            # The loop has been closed.
            pass


def _is_rpc_service(obj):
    return isinstance(getattr(obj, 'router', None), Router)


def expose(func):
    """Let peers call *func*."""
    if not callable(func):
        raise ValueError('"{}" is not callable.'.format(func))
    func.__rpc__ = True
    return func


class Service:
    """A descriptor that gives each instance of a class its :class:`Router`, when it is first asked for.

    Its name should be *router*.  *sub_routers* are names of attributes that are services as well.

    """
    def __init__(self, sub_routers=()):
        self._sub_router_names = sub_routers

    def __set__(self, instance, value):
        raise AttributeError('Read-only attribute.')

    def __get__(self, instance, cls):
        if instance is None:
            return self
        attributes = instance.__dict__
        if 'router' not in attributes:
            router = attributes['router'] = Router(instance)
            for name in self._sub_router_names:
                router.add(name)
        return attributes['router']

    expose = staticmethod(expose)
    """Alias of :func:`expose`."""


class ServiceDict:
    """A dict of functions and services as a service."""

    __rpc__ = True

    def __init__(self, dict=None):
        self.dict = {} if dict is None else dict
        self.router = Router(self)
        self.__getrpc__ = self.dict.__getitem__
        for name, value in self.dict.items():
            if hasattr(value, 'router'):
                self.router.set_sub_router(value.router, name)


class Router:
    """Finds the functions of a service, and of the services in it, by their paths."""

    def __init__(self, obj):
        obj.__rpc__ = True
        obj.__getrpc__ = obj.__getattribute__
        self.obj = obj
        self.name = ''
        self.parent = None
        self._cache = {}

    @property
    def path(self):
        """The path of the service from the root, such as ``agents/0``."""
        names = []
        router = self
        while router.parent is not None:
            names.append(router.name)
            router = router.parent
        return '/'.join(reversed(names))

    def resolve(self, path):
        """Return the function at *path*.  Raise a :exc:`LookupError` if there is none, or it is not exposed."""
        try:
            return self._cache[path]
        except KeyError:
            pass
        parent, obj = None, self.obj
        names = path.split('/')
        for i, name in enumerate(names):
            try:
                parent, obj = obj, obj.__getrpc__(name)
            except (AttributeError, KeyError):
                raise LookupError('Name "{}" not found in "{}"'.format(
                    name, '/'.join(names[:i]))) from None
            if not hasattr(obj, '__rpc__'):
                cls = type(parent)
                raise LookupError('"{}.{}.{}" is not exposed'.format(
                    cls.__module__, cls.__qualname__, name))
        self._cache[path] = obj
        return obj

    expose = staticmethod(expose)
    """Alias of :func:`expose`."""

    def add(self, name):
        """Add the service that is the attribute *name* of this router's object."""
        self.set_sub_router(getattr(self.obj, name).router, name)

    def set_sub_router(self, router, name):
        """Add *router* as *name*."""
        if type(router) is not Router:
            raise ValueError('"{}" is not a valid router.'.format(router))
        if router.parent is not None:
            raise ValueError('"{}" is already a sub service of "{}"'.format(
                router.obj, router.parent.obj))
        router.name = name
        router.parent = self


class RpcClient:
    """Calls the functions of a peer, and serves *rpc_service* to it, if there is one."""

    def __init__(self, channel, rpc_service=None):
        self.__channel = channel
        self.__root_router = None
        self.__service = None
        self.__reset_callback = None
        channel.codec.add_serializer(object, self._serialize_obj, self._deserialize_obj)
        if rpc_service is not None:
            router = self.__root_router = rpc_service.router
            channel._serve(functools.partial(_handle_request, channel, router))
            self.__service = channel._loop.create_task(rpc_service_process(self, router, channel))

    @property
    def channel(self):
        """The :class:`~aiomas_rs.channel.Channel` of the connection."""
        return self.__channel

    @property
    def service(self):
        """The task that ends with the connection.  When it is cancelled, it closes the connection."""
        return self.__service

    @property
    def remote(self):
        """A :class:`Proxy` of the peer's service."""
        return Proxy(self.__channel, '')

    def on_connection_reset(self, callback):
        """Call *callback* with the exception when the connection is lost.  ``None`` removes the callback.

        Raise a :exc:`RuntimeError` if this side has no service.

        """
        if self.__service is None:
            raise RuntimeError('This {} instance has no RPC service running.'.format(
                type(self).__name__))
        if not (callback is None or callable(callback)):
            raise ValueError('{!r} must be "None" or callable but is neither'.format(callback))
        self.__reset_callback = callback

    async def close(self):
        """Close the connection and wait until it is closed."""
        await self.__channel.close()
        if self.__service is not None:
            # It ends with the connection, whether or not another task has cancelled it.
            await asyncio.wait([self.__service])

    def _connection_reset(self, exc):
        if self.__reset_callback is not None:
            self.__reset_callback(exc)

    def _serialize_obj(self, obj):
        """Return the path of *obj* if it is a service that the peer may call."""
        if not _is_rpc_service(obj):
            raise exceptions.SerializationError(
                'No serializer found for type "{}"'.format(type(obj)))
        if self.__root_router is None:
            raise exceptions.SerializationError(
                'No RPC service running for this side of the connection.  '
                'Cannot send service proxy.')
        router = obj.router
        while router.parent is not None:
            router = router.parent
        if router is not self.__root_router:
            raise exceptions.SerializationError(
                'RPC service "{!r}" is not exposed for this connection'.format(obj))
        return obj.router.path

    def _deserialize_obj(self, path):
        return Proxy(self.__channel, path)


def _handle_request(channel, router, incoming):
    """Call the function that a request names, and answer.

    Functions run in the order in which requests come; one that does not wait is done before the next begins.

    """
    try:
        path, args, kwargs = incoming.content
        func = router._cache.get(path) or router.resolve(path)
        result = func(*args, **kwargs)
        if type(result) not in _PLAIN and asyncio.iscoroutine(result):
            task = channel._loop.create_task(result)
            task.add_done_callback(functools.partial(_reply_task, channel, incoming))
            if channel._protocol._hello:
                channel._link.watch(incoming, task)
            return
    except Exception as exc:
        channel._fail(incoming, exc)
    else:
        channel._reply(incoming, result)


def _reply_task(channel, incoming, task):
    if task.cancelled():
        channel._fail(incoming, asyncio.CancelledError())
    elif task.exception() is not None:
        channel._fail(incoming, task.exception())
    else:
        channel._reply(incoming, task.result())
    channel._protocol._flush_soon()


class Proxy:
    """Stands for a service or function of the peer.

    Attributes are proxies of what is in the service.  A call returns a future of the result; it is sent even if the future is
    not awaited.

    """
    _str = None
    _timeout = None

    def __init__(self, channel, path):
        self._channel = channel
        self._path = path

    def __repr__(self):
        return '<{}.{} at 0x{:x}>'.format(type(self).__module__, self, id(self))

    def __str__(self):
        return self._str or '{}({!r}, {!r})'.format(
            type(self).__name__, (self._channel.get_extra_info('peername') or ())[:2], self._path)

    def __getattr__(self, name):
        path = self.__dict__['_path']
        proxy = type(self)(self._channel, path + '/' + name if path else name)
        # The next time it is found without this method.
        self.__dict__[name] = proxy
        return proxy

    def __call__(self, *args, **kwargs):
        if not self._path:
            raise AttributeError('No RPC function name specified.')
        return self._channel.send((self._path, args, kwargs), self._timeout)

    def with_timeout(self, seconds):
        """Return the same proxy, whose calls fail with a :exc:`TimeoutError` after so many seconds."""
        proxy = type(self)(self._channel, self._path)
        proxy._timeout = seconds
        return proxy

    def __eq__(self, other):
        if not isinstance(other, Proxy):
            return NotImplemented
        return self._channel is other._channel and self._path == other._path

    def __hash__(self):
        return hash(self._channel) + hash(self._path)
