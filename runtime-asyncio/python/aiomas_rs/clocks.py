"""Clocks of containers: the real time, or one that is set from outside."""
import asyncio
import heapq
import itertools

import arrow

from .util import event_loop

__all__ = ['BaseClock', 'AsyncioClock', 'ExternalClock', 'TimerHandle']


class BaseClock:
    """Interface of clocks.  They have to implement at least :meth:`time` and :meth:`utcnow`."""

    def time(self):
        """Return a number of seconds that never decreases."""
        raise NotImplementedError

    def utcnow(self):
        """Return the date in UTC as an :class:`arrow.Arrow`."""
        raise NotImplementedError

    def sleep(self, dt, result=None):
        """Return a future, or coroutine, that is done in *dt* seconds, with *result*."""
        raise NotImplementedError

    def sleep_until(self, t, result=None):
        """Return a future, or coroutine, that is done at *t*, a time or a date, with *result*."""
        raise NotImplementedError

    def call_in(self, dt, func, *args):
        """Call ``func(*args)`` in *dt* seconds.  Return a handle with a method ``cancel()``."""
        raise NotImplementedError

    def call_at(self, t, func, *args):
        """Call ``func(*args)`` at *t*, a time or a date.  Return a handle with a method ``cancel()``."""
        raise NotImplementedError

    def _check_date(self, date):
        """Return the time of *date*, which must be in the future."""
        t = date
        if isinstance(date, arrow.Arrow):
            t = (date - self.utcnow()).total_seconds() + self.time()
        if t <= self.time():
            raise ValueError('Date "{}" is in the past'.format(date))
        return t


class AsyncioClock(BaseClock):
    """The time of the event loop."""

    def __init__(self, loop=None):
        self._loop = event_loop(loop)

    def time(self):
        return self._loop.time()

    def utcnow(self):
        return arrow.utcnow()

    def sleep(self, dt, result=None):
        return asyncio.sleep(dt, result)

    def sleep_until(self, t, result=None):
        return asyncio.sleep(self._check_date(t) - self.time(), result)

    def call_in(self, dt, func, *args):
        return self._loop.call_later(dt, func, *args)

    def call_at(self, t, func, *args):
        return self._loop.call_at(self._check_date(t), func, *args)


class ExternalClock(BaseClock):
    """A clock that is set from outside, such as by a simulation.

    *utc_start* is the date at time 0: an :class:`arrow.Arrow` or anything that :func:`arrow.get` takes.

    """
    def __init__(self, utc_start, init_time=0, loop=None):
        if not isinstance(utc_start, arrow.Arrow):
            utc_start = arrow.get(utc_start).to('UTC')
        self._loop = event_loop(loop)
        self._utc_start = utc_start
        self._time = init_time
        self._queue = []
        self._ids = itertools.count()

    def time(self):
        return self._time

    def utcnow(self):
        return self._utc_start.shift(seconds=self._time)

    def set_time(self, t):
        """Set the time to *t*, which must be later, and wake those that have waited for it, the earliest first."""
        if t <= self._time:
            raise ValueError('Time must be > {} but is {}'.format(self._time, t))
        self._time = t
        while self._queue and self._queue[0][0] <= t:
            _, _, future, result = heapq.heappop(self._queue)
            if not future.done():
                future.set_result(result)

    def sleep(self, dt, result=None):
        return self.sleep_until(self._after(dt), result)

    def sleep_until(self, t, result=None):
        t = self._check_date(t)
        future = self._loop.create_future()
        heapq.heappush(self._queue, (t, next(self._ids), future, result))
        return future

    def call_in(self, dt, func, *args):
        return self.call_at(self._after(dt), func, *args)

    def call_at(self, t, func, *args):
        def call(_future):
            func(*args)

        future = self.sleep_until(t)
        future.add_done_callback(call)
        return TimerHandle(future, call)

    def _after(self, dt):
        if dt <= 0:
            raise ValueError('dt must be > 0 but is {}'.format(dt))
        return self._time + dt


class TimerHandle:
    """Lets a call be cancelled that an :class:`ExternalClock` is to make."""

    def __init__(self, future, callback):
        self._future = future
        self._callback = callback

    def cancel(self):
        """Cancel the call."""
        self._future.remove_done_callback(self._callback)
        self._future.cancel()
