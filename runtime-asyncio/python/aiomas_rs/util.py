"""Functions that programs need around agents."""
import asyncio
import importlib
import ssl
import warnings

__all__ = [
    'arrow_serializer', 'run', 'create_task', 'get_clock', 'make_ssl_client_context',
    'make_ssl_server_context', 'obj_from_str',
]


def arrow_serializer():
    """Return a serializer for *arrow* dates: the arguments of :meth:`aiomas_rs.codecs.Codec.add_serializer`."""
    import arrow
    return arrow.Arrow, str, arrow.get


def event_loop(loop=None):
    """Return *loop*, the running loop, or the current one.  Make one for a thread that has none."""
    if loop is not None:
        return loop
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)
            loop = asyncio.get_event_loop_policy().get_event_loop()
            if not loop.is_closed():
                return loop
    except RuntimeError:
        pass
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def run(until=None, loop=None):
    """Run the event loop until the future or coroutine *until* is done and return its result, or forever."""
    loop = event_loop(loop)
    if until is None:
        return loop.run_forever()
    return loop.run_until_complete(until)


def create_task(coro, ignore_cancel=True, loop=None):
    """Run a coroutine as a task whose exceptions are raised where it is awaited, or logged.

    A cancelled task ends silently if *ignore_cancel* is true.

    """
    async def guarded():
        try:
            return await coro
        except asyncio.CancelledError:
            if not ignore_cancel:
                raise

    return event_loop(loop).create_task(guarded())


def get_clock():
    """Return a real-time clock for the current event loop."""
    from .clocks import AsyncioClock
    return AsyncioClock()


def _make_context(protocol, cafile, certfile, keyfile):
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers('ECDH+AESGCM')
    context.load_cert_chain(certfile=certfile, keyfile=keyfile)
    context.load_verify_locations(cafile=cafile)
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_COMPRESSION
    return context


def make_ssl_server_context(cafile, certfile, keyfile):
    """Return a context for servers, whose clients need a certificate of the authority in *cafile*.

    *certfile* and *keyfile* are this side's certificate and its key.  All files are in PEM format.  TLS 1.2 and 1.3 are spoken.

    """
    context = _make_context(ssl.PROTOCOL_TLS_SERVER, cafile, certfile, keyfile)
    context.options |= ssl.OP_SINGLE_ECDH_USE
    return context


def make_ssl_client_context(cafile, certfile, keyfile):
    """Return a context for clients, which check the server's certificate against *cafile*, and its host name."""
    return _make_context(ssl.PROTOCOL_TLS_CLIENT, cafile, certfile, keyfile)


def obj_from_str(obj_path):
    """Return the object that *obj_path* names: ``'package.module:Class.function'``.

    Raise a :exc:`ValueError` if the path is malformed, an :exc:`ImportError` if there is no such module, and an
    :exc:`AttributeError` if there is no such object.

    """
    try:
        module, names = obj_path.split(':')
    except ValueError:
        raise ValueError('Malformed object name "{}": Expected "module:object"'
                         .format(obj_path)) from None
    obj = importlib.import_module(module)
    for name in names.split('.'):
        obj = getattr(obj, name)
    return obj
