"""Containers and agents."""
import asyncio
import multiprocessing
import socket
import ssl

import arrow
import pytest

import aiomas_rs as aiomas
from conftest import free_port, run, sequence


@aiomas.serializable
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y


class Worker(aiomas.Agent):
    def __init__(self, container, label=''):
        super().__init__(container)
        self.label = label
        self.log = []

    @aiomas.expose
    def echo(self, *args, **kwargs):
        return args, kwargs

    @aiomas.expose
    async def wait(self, value):
        self.log.append(value)
        await asyncio.sleep(0)
        return value

    @aiomas.expose
    def note(self, value):
        self.log.append(value)

    @aiomas.expose
    def coroutine(self, value):
        return self.wait(value)

    @aiomas.expose
    def fail(self):
        raise ValueError('ohno')

    @aiomas.expose
    async def call_back(self, other, value):
        return await other.echo(value)

    @aiomas.expose
    def me(self):
        return self

    @aiomas.expose
    def unserializable(self):
        return object()

    def hidden(self):
        return 1


class Pair:
    """Two containers, and an agent in each."""

    def __init__(self, address, codec=None, **kwds):
        self.address, self.kwds = address, dict(kwds, codec=codec)

    async def __aenter__(self):
        create = aiomas.Container.create
        self.server = await create(self.address, as_coro=True, **self.kwds)
        self.client = await create(('127.0.0.1', free_port()), as_coro=True, **self.kwds)
        self.worker, self.caller = Worker(self.server), Worker(self.client)
        self.proxy = await self.client.connect(self.worker.addr)
        return self

    async def __aexit__(self, *_exc):
        await self.client.shutdown(as_coro=True)
        await self.server.shutdown(as_coro=True)


def test_calls(address, codec):
    async def main():
        async with Pair(address, codec) as pair:
            proxy = pair.proxy
            assert str(proxy) == "WorkerProxy('{}')".format(pair.worker.addr)
            args, kwargs = await proxy.echo(1, 'é', None, x=[1.5])
            assert args == sequence(codec, 1, 'é', None)
            assert kwargs == {'x': sequence(codec, 1.5)}
            assert await proxy.wait(3) == 3
            assert await proxy.coroutine(4) == 4
            assert await pair.client.connect(pair.worker.addr) is proxy

    run(main())


def test_failures(codec):
    async def main():
        async with Pair(('127.0.0.1', free_port()), codec) as pair:
            for method, kind, text in [
                ('fail', 'ValueError', 'ohno'),
                ('missing', 'LookupError', 'Name "missing" not found in "agents/0"'),
                ('hidden', 'LookupError', 'Worker.hidden" is not exposed'),
                ('unserializable', 'SerializationError', 'No serializer found for type'),
            ]:
                with pytest.raises(aiomas.RemoteException, match=text) as info:
                    await getattr(pair.proxy, method)()
                assert info.value.kind.rpartition('.')[2] == kind
                assert info.value.origin[0] == '127.0.0.1'
                assert 'Traceback' in info.value.remote_traceback
            assert await pair.proxy.wait(1) == 1

    run(main())


def test_proxies_and_dates(codec):
    async def main():
        pair = Pair(('127.0.0.1', free_port()), codec,
                    extra_serializers=[Point.__serializer__])
        async with pair:
            args, _ = await pair.proxy.call_back(pair.caller, 5)
            assert args == sequence(codec, 5)
            me = await pair.proxy.me()
            assert me == pair.proxy and {me: 1}[pair.proxy] == 1
            date, point = arrow.get('2020-01-02T03:04:05+01:00'), Point(1, 2)
            (date_back, point_back), _ = await pair.proxy.echo(date, point)
            assert date_back == date and (point_back.x, point_back.y) == (1, 2)
            # A proxy of the peer cannot be sent on.
            with pytest.raises(aiomas.exceptions.SerializationError):
                pair.proxy.echo(pair.proxy)

    run(main())


def test_no_such_agent_and_no_container():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            for _ in range(2):
                with pytest.raises(ConnectionError, match='does not exist'):
                    await pair.client.connect(pair.worker.addr + '9')
            url = 'tcp://127.0.0.1:{}/0'.format(free_port())
            for _ in range(2):
                with pytest.raises(ConnectionRefusedError):
                    await pair.client.connect(url)
            late = asyncio.ensure_future(pair.client.connect(url, timeout=None))
            await asyncio.sleep(0)
            other = await aiomas.Container.create(
                ('127.0.0.1', int(url[:-2].rpartition(':')[2])), as_coro=True)
            Worker(other)
            assert await (await late).wait(2) == 2
            await other.shutdown(as_coro=True)
            for url in ['tcp://x', 'http://a:1/0', 'tcp://a:b/0', 'tcp://a:1/', 'ipc://a/0']:
                with pytest.raises(ValueError, match='Cannot parse agent URL'):
                    await pair.client.connect(url)

    run(main())


def test_a_lost_connection_is_opened_anew():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            blocked = pair.proxy.wait(1)
            pair.client._connections_out[('127.0.0.1', pair.address[1])].channel.transport.abort()
            with pytest.raises(ConnectionResetError):
                await blocked
            proxy = await pair.client.connect(pair.worker.addr)
            assert await proxy.wait(2) == 2

    run(main())


def test_order_of_requests():
    """Requests begin in the order in which they came; one that does not wait is done before the next begins."""
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            await asyncio.gather(*[pair.proxy.note(i) for i in range(100)])
            assert pair.worker.log == list(range(100))
            del pair.worker.log[:]
            await asyncio.gather(*[pair.proxy.wait(i) for i in range(100)])
            assert pair.worker.log == list(range(100))

    run(main())


def test_calls_are_futures_that_need_not_be_awaited():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            pair.proxy.note('not awaited')
            future = pair.proxy.wait(1)
            assert isinstance(future, asyncio.Future) and not future.done()
            await asyncio.wait([future])
            assert future.result() == 1
            assert pair.worker.log[0] == 'not awaited'
            done = []
            future = pair.proxy.wait(2)
            future.add_done_callback(lambda f: done.append(f.result()))
            await asyncio.gather(future, asyncio.ensure_future(pair.proxy.wait(3)))
            await asyncio.sleep(0)
            assert done == [2]

    run(main())


def test_cancelling_leaves_the_connection_whole():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            release = asyncio.Event()

            async def slow():
                await release.wait()

            pair.worker.slow = aiomas.expose(slow)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(pair.proxy.slow(), 0.01)
            with pytest.raises(asyncio.TimeoutError):
                await pair.proxy.slow.with_timeout(0.01)()
            release.set()
            assert await pair.proxy.wait(1) == 1

    run(main())


def test_hello_lets_cancelling_reach_the_callee(codec):
    async def main():
        async with Pair(('127.0.0.1', free_port()), codec, hello=True) as pair:
            begun, ended = asyncio.Event(), asyncio.Event()

            async def slow():
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

            pair.worker.slow = aiomas.expose(slow)
            call = pair.proxy.slow()
            await begun.wait()
            call.cancel()
            await ended.wait()
            assert await pair.proxy.wait(1) == 1
            (back,), _ = await pair.proxy.echo(arrow.get('2020-01-01'))
            assert back == arrow.get('2020-01-01')

    run(main())


def test_exposed_lambdas_and_attributes_of_instances():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            pair.worker.twice = aiomas.expose(lambda x: 2 * x)
            assert await pair.proxy.twice(4) == 8

    run(main())


class Float(float):
    """As `numpy.float64`."""


class Int(int):
    pass


class Str(str):
    pass


def test_subclasses_of_values(codec):
    async def main():
        async with Pair(('127.0.0.1', free_port()), codec) as pair:
            args, _ = await pair.proxy.echo(Float(1.5), Int(3), Str('x'), True)
            assert args == sequence(codec, 1.5, 3, 'x', True)

    run(main())


def test_classes_are_ordinary():
    class Meta(type):
        pass

    class Mine(aiomas.Agent, metaclass=Meta):
        container = None
        router = aiomas.rpc.Service()

        def __init__(self, container):
            self.mine = container
            aiomas.Agent.__init__(self, container)

    class MyContainer(aiomas.Container):
        def __init__(self, base_url, loop, clock, connect_kwargs):
            super().__init__(base_url, loop, clock, connect_kwargs)
            self.extra = 1

    async def main():
        container = await MyContainer.create(('127.0.0.1', 0), as_coro=True)
        container.other = 2
        agent = Mine(container)
        assert container._base_url == 'tcp://127.0.0.1:0/'
        assert agent.addr == 'tcp://127.0.0.1:0/0' and container.agents.dict['0'] is agent
        assert str(agent) == "Mine('tcp://127.0.0.1:0/0')"
        with pytest.raises(TypeError):
            aiomas.Agent(None)
        await container.shutdown(as_coro=True)

    run(main())


def test_without_a_running_loop():
    container = aiomas.Container.create(('127.0.0.1', free_port()))
    worker = Worker(container)

    async def main():
        proxy = await container.connect(worker.addr)
        return await proxy.wait(7)

    assert aiomas.run(main(), loop=container.loop) == 7
    container.loop.call_soon(container.loop.stop)
    aiomas.run(loop=container.loop)
    container.shutdown()
    container.loop.close()
    asyncio.set_event_loop(None)


def test_the_port_is_free_after_shutdown():
    async def main():
        for _ in range(5):
            async with Pair(('127.0.0.1', 47654)) as pair:
                assert await pair.proxy.wait(1) == 1

    run(main())


def test_tls(certificates, codec):
    async def main():
        pair = Pair(('127.0.0.1', free_port()), codec, ssl=certificates)
        async with pair:
            assert await pair.proxy.wait(1) == 1
            channel = pair.proxy._channel
            assert channel.get_extra_info('ssl_object') is not None
            assert channel.get_extra_info('socket') is not None

    run(main())


def test_contexts_may_be_changed(certificates):
    server = aiomas.make_ssl_server_context(*certificates)
    client = aiomas.make_ssl_client_context(*certificates)
    client.check_hostname = False
    assert isinstance(client, ssl.SSLContext)

    async def main():
        async with Pair(('localhost', free_port()), ssl=(server, client)) as pair:
            assert await pair.proxy.wait(1) == 1

    run(main())


def test_limits_are_named():
    async def main():
        limits = {'max_frame': 1000, 'max_calls_out': 2}
        async with Pair(('127.0.0.1', free_port()), limits=limits) as pair:
            with pytest.raises(ValueError, match='max_frame'):
                pair.proxy.echo('x' * 2000)
            calls = [pair.proxy.wait(1), pair.proxy.wait(2)]
            with pytest.raises(aiomas.LimitExceeded, match='max_calls_out'):
                pair.proxy.wait(3)
            assert await asyncio.gather(*calls) == [1, 2]
            assert pair.proxy._channel.stats['requests_out'] == 3
            for start in (aiomas.channel.open_connection(pair.address, limits={'x': 1}),
                          aiomas.channel.start_server(('127.0.0.1', 0), print, limits={'x': 1})):
                with pytest.raises(ValueError, match='there is no limit'):
                    await start

    run(main())


def child(proxy, queue):
    try:
        proxy.note(1)
    except RuntimeError as exc:
        queue.put(str(exc))


@pytest.mark.skipif(not hasattr(socket, 'AF_UNIX'), reason='no fork')
def test_a_child_must_not_use_its_parents_connections():
    async def main():
        async with Pair(('127.0.0.1', free_port())) as pair:
            context = multiprocessing.get_context('fork')
            queue = context.SimpleQueue()
            process = context.Process(target=child, args=(pair.proxy, queue))
            process.start()
            process.join()
            assert 'parent process' in queue.get()
            assert await pair.proxy.wait(1) == 1

    run(main())


def test_external_clock():
    async def main():
        clock = aiomas.ExternalClock('2020-01-01T00:00:00+01:00', init_time=-1)
        assert clock.utcnow() == arrow.get('2019-12-31T22:59:59+00:00')
        log = []
        clock.call_at(3, log.append, 'never').cancel()
        clock.call_in(2, log.append, 'at')
        until = clock.sleep_until(arrow.get('2019-12-31T23:00:02+00:00'), 'date')
        sleeps = [clock.sleep(5, 'long'), clock.sleep(1, 'short')]
        clock.set_time(2)
        assert await until == 'date' and await sleeps[1] == 'short' and not sleeps[0].done()
        await asyncio.sleep(0)
        assert log == ['at'] and clock.time() == 2
        for wrong in (lambda: clock.set_time(2), lambda: clock.sleep(0),
                      lambda: clock.call_in(-1, print), lambda: clock.sleep_until(1)):
            with pytest.raises(ValueError):
                wrong()

    run(main())


def test_manager():
    async def main():
        address = '127.0.0.1', free_port()
        task = asyncio.ensure_future(aiomas.subproc.start(
            address, clock=aiomas.ExternalClock('2020-01-01')))
        client = await aiomas.Container.create(('127.0.0.1', free_port()), as_coro=True)
        manager = await client.connect('tcp://127.0.0.1:{}/0'.format(address[1]), timeout=60)
        proxy, url = await manager.spawn('test_agents:Worker', 'label')
        assert url.endswith('/1') and await proxy.wait(1) == 1
        await manager.set_time(5)
        await manager.stop()
        await task
        await client.shutdown(as_coro=True)

    run(main())
