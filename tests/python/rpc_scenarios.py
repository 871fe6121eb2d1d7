"""Remote calls and proxies, in both directions."""
import asyncio

import aiomas
import aiomas.rpc
from aiomas import expose

from peer import Celsius, Mode, Point
from scenario import expect, expect_failure, scenario


class Doubler:
    router = aiomas.rpc.Service()

    @expose
    def double(self, value):
        return value * 2

    @expose
    def boom(self):
        raise KeyError('boom')


class Client(Doubler):
    """The service that the client offers."""
    router = aiomas.rpc.Service(['sub'])

    def __init__(self):
        self.sub = Doubler()


class Gate:
    """Holds calls until they are released."""
    router = aiomas.rpc.Service()

    def __init__(self):
        self.waiting = asyncio.Queue()

    @expose
    async def double(self, value):
        gate = asyncio.get_running_loop().create_future()
        await self.waiting.put(gate)
        await gate
        return value * 2


@scenario('rpc')
async def arguments(server):
    """Positional and keyword arguments, defaults."""
    async with server.rpc() as client:
        remote = client.remote
        expect(await remote.add(3, 4), 7)
        expect(await remote.add(1.5, 2), 3.5)
        expect(await remote.add(1, b=2), 3)
        expect(await remote.add(b='b', a='a'), 'ab')
        expect(await remote.ident(None), None)
        expect(await remote.join(['a', 'b']), 'a-b')
        expect(await remote.join(['a', 'b'], sep='ü'), 'aüb')
        expect(await remote.echo(), [[], {}])
        expect(await remote.echo(1, [2], x={'y': None}), [[1, [2]], {'x': {'y': None}}])


@scenario('rpc')
async def nested_services(server):
    async with server.rpc() as client:
        expect(await client.remote.math.mul(6, 7), 42)
        expect(await client.remote.math.deep.neg(5), -5)
        expect(await client.remote.tools.upper('grün'), 'GRÜN')
        expect(await client.remote.tools.inner.ping(), 'pong')


@scenario('rpc')
async def errors(server):
    async with server.rpc() as client:
        remote = client.remote
        await expect_failure(remote.fail('kaputt'), 'ValueError: kaputt')
        for proxy, name, path in [(remote, 'nope', ''), (remote.nope, 'nope', ''), (remote.math, 'nope', 'math'),
                                  (remote.math.deep, 'mul', 'math/deep'),
                                  (remote.tools.inner, 'upper', 'tools/inner')]:
            await expect_failure(getattr(proxy, name)(), 'LookupError', 'Name "%s" not found in "%s"' % (name, path))
        for path in '', '/add', 'math/':
            await expect_failure(client.channel.send([path, [], {}]), 'LookupError', 'Name "" not found in')
        for name in 'hidden', 'secret':
            await expect_failure(getattr(remote, name)(), 'LookupError', name + '" is not exposed')
        for call in remote.math(), remote.add(1), remote.add(1, 2, 3), remote.add(1, 2, c=3), remote.add(1, a=2):
            await expect_failure(call, 'TypeError')
        await expect_failure(remote.unserializable(), 'SerializationError')
        expect(await remote.add(1, 1), 2)


@scenario('rpc')
async def good_and_bad_at_once(server):
    async with server.rpc() as client:
        good = [client.remote.add(i, 1) for i in range(200)]
        bad = [client.remote.fail(str(i)) for i in range(200)]
        missing = [client.remote.nope() for i in range(200)]
        expect(await asyncio.gather(*good), list(range(1, 201)))
        for i in range(200):
            await expect_failure(bad[i], 'ValueError: %d' % i)
            await expect_failure(missing[i], 'LookupError')


@scenario('rpc')
async def slow_calls_delay_no_other(server):
    async with server.rpc() as client:
        slow = client.remote.slow(600_000, None)
        expect(await client.remote.slow(10, 'fast'), 'fast')
        expect(await client.remote.add(1, 1), 2)
        expect(slow.done(), False)


@scenario('rpc')
async def calls_out_of_order(server):
    gate = Gate()
    async with server.rpc(gate) as client:
        calls = [client.remote.call_me(gate, i) for i in range(10)]
        gates = [await gate.waiting.get() for _ in calls]
        for i in reversed(range(10)):
            gates[i].set_result(None)
            expect(await calls[i], 2 * i)
            expect([call.done() for call in calls], [n >= i for n in range(10)])


@scenario('rpc')
async def proxies_from_the_server(server):
    async with server.rpc() as client:
        tools = await client.remote.get_tools()
        expect((type(tools), tools._path), (aiomas.rpc.Proxy, 'tools'))
        expect(await tools.upper('x'), 'X')
        expect(await tools.inner.ping(), 'pong')
        root = await client.remote.get_root()
        expect((type(root), root._path), (aiomas.rpc.Proxy, ''))
        expect(await root.add(1, 2), 3)


@scenario('rpc')
async def proxies_to_the_server(server):
    """The server calls the services that we pass to it."""
    service = Client()
    async with server.rpc(service) as client:
        remote = client.remote
        expect(await remote.call_me(service, 21), 42)
        expect(await remote.call_me(service, 'ab'), 'abab')
        expect(await remote.call_me(peer=service.sub, value=[5]), [5, 5])
        for callee in service, service.sub:
            expect(await remote.call_error(callee), {'caught': True, 'boom': True})
        expect(await remote.call_many(service, 100), list(range(0, 200, 2)))
        expect(await remote.nested({'list': [service.sub]}), 42)
        expect(await remote.call_remote(8), 16)


@scenario('rpc', types='point,celsius')
async def typed_arguments(server):
    """Our types have the ids 0 and 1, proxies the next one."""
    service = Client()
    async with server.rpc(service) as client:
        remote = client.remote
        expect(await remote.mirror(Point(1, 'x')), Point('x', 1))
        expect(await remote.warmer(Celsius(20.5), 1), Celsius(21.5))
        expect(await remote.ident({'p': [Point(0, Celsius(1))]}), {'p': [Point(0, Celsius(1))]})
        expect(await remote.call_me(service, 4), 8)
        expect(await (await remote.get_tools()).upper('x'), 'X')


@scenario('rpc', types='point,celsius,mode')
async def typed_variants(server):
    """Values of a Rust enum."""
    between = {'low': Point(1, 'x'), 'high': Point(None, 2.5)}
    async with server.rpc() as client:
        for data, louder in [('off', {'Level': 1}), ({'Level': -7}, {'Level': -6}),
                             ({'Between': between},
                              {'Between': {'low': between['high'], 'high': between['low']}})]:
            expect(await client.remote.louder(Mode(data)), Mode(louder))
            expect(await client.remote.ident([Mode(data)]), [Mode(data)])


@scenario('rpc')
async def concurrent_1000(server):
    async with server.rpc() as client:
        calls = [client.remote.add(i, i) for i in range(1000)]
        expect(await asyncio.gather(*calls), list(range(0, 2000, 2)))


@scenario('rpc')
async def mebibytes_8(server):
    async with server.rpc() as client:
        text = 'äbcdefgh' * (1024 * 1024)
        expect(await client.remote.ident(text) == text, True)
