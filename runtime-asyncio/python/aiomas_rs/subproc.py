"""Containers in processes of their own, with an agent that starts others in them."""
import inspect
import logging

from . import agent, rpc, util

__all__ = ['start', 'Manager']

logger = logging.getLogger(__name__)


async def start(addr, **container_kwargs):
    """Start a container at *addr* with a :class:`Manager`, and return when that is told to stop.

    The other arguments are those of :meth:`aiomas_rs.agent.Container.create`.

    """
    container_kwargs['as_coro'] = True
    container = await agent.Container.create(addr, **container_kwargs)
    try:
        await Manager(container).stop_received
    except KeyboardInterrupt:
        logger.info('Execution interrupted by user')
    finally:
        await container.shutdown(as_coro=True)


class Manager(agent.Agent):
    """An agent that starts other agents in its container."""

    def __init__(self, container):
        super().__init__(container)
        self.stop_received = container.loop.create_future()

    @rpc.expose
    async def spawn(self, qualname, *args, **kwargs):
        """Make an agent and return a proxy of it, and its address.

        *qualname* names a class, function or coroutine function (see :func:`aiomas_rs.util.obj_from_str`), which is called with
        the container and the other arguments.

        """
        factory = util.obj_from_str(qualname)
        made = factory(self.container, *args, **kwargs)
        if inspect.iscoroutine(made):
            made = await made
        logger.debug('Spawned %s(%s)', made.__class__.__name__, made)
        return made, made.addr

    @rpc.expose
    def set_time(self, time):
        """Set the container's clock, an :class:`aiomas_rs.clocks.ExternalClock`, to *time*."""
        self.container.clock.set_time(time)

    @rpc.expose
    def stop(self):
        """Let :func:`start` return."""
        if not self.stop_received.done():
            self.stop_received.set_result(True)
