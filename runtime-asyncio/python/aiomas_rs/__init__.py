"""aiomas for today's Pythons: the names, wire and behaviour of aiomas 2.0.1 on a core in Rust.

Use it in the place of aiomas::

    import aiomas_rs as aiomas

or let ``import aiomas`` mean it, in all modules of a program::

    import aiomas_rs
    aiomas_rs.install()

or without touching the program: ``python -m aiomas_rs program.py``.

"""
import sys

from . import agent, channel, clocks, codecs, exceptions, local_queue, rpc, subproc, util
from ._native import __version__ as __version__
from .agent import Agent, Container, SSLCerts
from .clocks import AsyncioClock, ExternalClock
from .codecs import JSON, MsgPack, MsgPackBlosc, serializable
from .exceptions import AiomasError, LimitExceeded, RemoteException
from .local_queue import get_queue
from .rpc import expose
from .util import create_task, get_clock, make_ssl_client_context, make_ssl_server_context, run

__all__ = [
    # Decorators
    'expose', 'serializable',
    # Functions
    'get_queue', 'run', 'make_ssl_server_context', 'make_ssl_client_context', 'create_task', 'install',
    # Exceptions
    'AiomasError', 'RemoteException', 'LimitExceeded',
    # Classes
    'Container', 'Agent', 'SSLCerts', 'JSON', 'MsgPack', 'MsgPackBlosc', 'AsyncioClock',
    'ExternalClock',
]

# Of aiomas 1.0, which programs reach by getattr(): the name became a keyword.
globals()['async'] = create_task

_MODULES = (agent, channel, clocks, codecs, exceptions, local_queue, rpc, subproc, util)


def install():
    """Let ``import aiomas`` mean this package from now on.

    Call it before any module imports aiomas.  Raise a :exc:`RuntimeError` if the original has been imported already.

    """
    present = sys.modules.get('aiomas')
    if present is not None and present is not sys.modules[__name__]:
        raise RuntimeError('aiomas has been imported already; call aiomas_rs.install() before')
    sys.modules['aiomas'] = sys.modules[__name__]
    for module in _MODULES:
        sys.modules['aiomas.' + module.__name__.rpartition('.')[2]] = module
