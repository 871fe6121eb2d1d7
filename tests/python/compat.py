"""Lets the unmodified aiomas 2.0.1 (of 2017) run on Python 3.11 and later.

Import this before aiomas.  The installed files stay unchanged: the modules of aiomas get
other objects under the names ``asyncio`` and ``msgpack``, and one method is replaced.
"""
import asyncio
import functools
import types

import aiomas
import aiomas.agent
import aiomas.channel
import aiomas.clocks
import aiomas.codecs
import aiomas.local_queue
import aiomas.rpc
import msgpack


def _variant(module, **names):
    """A namespace like *module*, except for some *names*."""
    return types.SimpleNamespace(**{**vars(module), **names})


def _ignoring_loop(func):
    """Accept the argument ``loop``, which asyncio dropped in Python 3.10."""
    @functools.wraps(func, updated=())
    def wrapper(*args, loop=None, **kwargs):
        return func(*args, **kwargs)
    return wrapper


def _unpackb(data, *, encoding=None, **kwargs):
    """msgpack 1.0 renamed ``encoding`` and began to reject keys that are not text."""
    return msgpack.unpackb(data, raw=encoding is None, strict_map_key=False, **kwargs)


_asyncio = _variant(asyncio, Queue=_ignoring_loop(asyncio.Queue),
                    gather=_ignoring_loop(asyncio.gather), sleep=_ignoring_loop(asyncio.sleep))
for _module in aiomas.agent, aiomas.channel, aiomas.clocks, aiomas.local_queue, aiomas.rpc:
    _module.asyncio = _asyncio
aiomas.codecs.msgpack = _variant(msgpack, unpackb=_unpackb)

# arrow renamed the relative ``replace(seconds=...)`` to ``shift()``.
aiomas.clocks.ExternalClock.utcnow = lambda clock: clock._utc_start.shift(seconds=clock._time)
