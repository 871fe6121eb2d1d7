from typing import Any

from . import agent as agent, channel as channel, clocks as clocks, codecs as codecs
from . import exceptions as exceptions, local_queue as local_queue, rpc as rpc
from . import subproc as subproc, util as util
from .agent import Agent as Agent, Container as Container, SSLCerts as SSLCerts
from .clocks import AsyncioClock as AsyncioClock, ExternalClock as ExternalClock
from .codecs import JSON as JSON, MsgPack as MsgPack, MsgPackBlosc as MsgPackBlosc
from .codecs import serializable as serializable
from .exceptions import AiomasError as AiomasError, LimitExceeded as LimitExceeded
from .exceptions import RemoteException as RemoteException
from .local_queue import get_queue as get_queue
from .rpc import expose as expose
from .util import create_task as create_task, get_clock as get_clock, run as run
from .util import make_ssl_client_context as make_ssl_client_context
from .util import make_ssl_server_context as make_ssl_server_context

__version__: str

def install() -> None: ...
