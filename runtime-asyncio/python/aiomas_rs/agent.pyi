import asyncio
from typing import Any, Callable, Coroutine, Dict, List, Literal, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar, Union, overload
from ssl import SSLContext

from .clocks import BaseClock
from .codecs import Codec
from .local_queue import LocalQueue
from .rpc import Proxy, Service, ServiceDict

C = TypeVar('C', bound='Container')
Address = Union[Tuple[Optional[str], int], str, LocalQueue]

class SSLCerts(NamedTuple):
    cafile: str
    certfile: str
    keyfile: str

SSL = Union[SSLCerts, Tuple[SSLContext, SSLContext], None]
Serializers = Optional[Sequence[Callable[[], Tuple[Any, ...]]]]

class Container:
    router: Service
    agents: ServiceDict
    @overload
    @classmethod
    def create(cls: Type[C], addr: Address, *, clock: Optional[BaseClock] = ..., codec: Optional[Type[Codec]] = ...,
               extra_serializers: Serializers = ..., ssl: SSL = ..., as_coro: Literal[True],
               loop: Optional[asyncio.AbstractEventLoop] = ..., limits: Optional[Dict[str, Any]] = ...,
               hello: bool = ...) -> Coroutine[Any, Any, C]: ...
    @overload
    @classmethod
    def create(cls: Type[C], addr: Address, *, clock: Optional[BaseClock] = ..., codec: Optional[Type[Codec]] = ...,
               extra_serializers: Serializers = ..., ssl: SSL = ..., as_coro: Literal[False] = ...,
               loop: Optional[asyncio.AbstractEventLoop] = ..., limits: Optional[Dict[str, Any]] = ...,
               hello: bool = ...) -> C: ...
    def __init__(self, base_url: str, loop: asyncio.AbstractEventLoop, clock: BaseClock,
                 connect_kwargs: Dict[str, Any]) -> None: ...
    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def clock(self) -> Any: ...
    def set_server(self, server: asyncio.AbstractServer) -> None: ...
    async def connect(self, url: str, timeout: Optional[float] = ...) -> Proxy: ...
    @overload
    def shutdown(self, as_coro: Literal[True]) -> Coroutine[Any, Any, None]: ...
    @overload
    def shutdown(self, as_coro: Literal[False] = ...) -> None: ...
    def validate_aid(self, aid: str) -> Optional[str]: ...

class Agent:
    router: Service
    def __init__(self, container: Container) -> None: ...
    @property
    def container(self) -> Container: ...
    @property
    def addr(self) -> str: ...
