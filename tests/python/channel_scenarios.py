"""Requests and replies over one connection."""
import asyncio
import os
from math import inf, nan

from peer import Celsius, Point
from scenario import expect, expect_disconnect, expect_failure, scenario

MIB = 1024 * 1024
POWERS = [7, 8, 15, 16, 31, 32, 53, 63]
INTEGERS = [0, 1, -1, -32, -33, 2**64 - 1, -2**63]
INTEGERS += [sign * 2**power + step for power in POWERS for sign in (1, -1) for step in (-1, 0, 1)
             if -2**63 <= sign * 2**power + step]
FLOATS = [0.0, -0.0, 1.0, 1.5, -1e-300, 1e300, 5e-324, 3.141592653589793, 1e16, inf, -inf, nan]
TEXTS = ['', 'x', 'Grüße, 世界 🎉', '"\\/\x00\x1f\x7f\u2028']
TEXTS += ['a' * n for n in (31, 32, 255, 256, 65535, 65536)]
NESTED = [[], {}, [[]], [{}], {'': {}}, {'a': [1, 2.5, None, {'c': 'ü'}]}, [None, [True, [False, [[]]]]]]
LONG = [list(range(n)) for n in (15, 16, 70000)] + [{str(i): i for i in range(n)} for n in (15, 16, 70000)]
# Similar to a typed object.
LOOKALIKES = [{'_type_': [0, 1]}, {'type': [0, 1]}, {'__TYPE__': None}]
ONLY_JSON = [2**64, -2**64, 10**40]
ONLY_MSGPACK = [b'', b'\x00\xff', bytes(range(256)), b'z' * 70000, {True: 'yes', False: 'no'},
                {1: 'int', -1: 'negative', None: 0, 2.5: 'float', b'bytes': 'bin', (1, (2,)): 'array'}]


@scenario('channel')
async def values(server):
    """Values of all kinds are echoed unchanged."""
    async with server.channel() as channel:
        for value in [None, True, False, *INTEGERS, *FLOATS, *TEXTS, *NESTED, *LONG, *LOOKALIKES,
                      *(ONLY_JSON if server.json else ONLY_MSGPACK)]:
            expect(await channel.send(value), value)


@scenario('channel', types='point,celsius')
async def typed_values(server):
    async with server.channel() as channel:
        for value in (Point(1, 2), Celsius(-40.5), Point('x', Celsius(1)), Point(None, {'k': 1})):
            expect(await channel.send(value), value)
        value = {'deep': [Point(1, None), [Celsius(0)]]}
        expect(await channel.send(value), value)


@scenario('channel')
async def failures(server):
    """A failed request does not affect the connection."""
    async with server.channel() as channel:
        for text in 'ohno', 'Ärger 💥', '':
            await expect_failure(channel.send({'cmd': 'fail', 'msg': text}), 'ValueError', text)
        await expect_failure(channel.send({'cmd': 'unserializable'}), 'SerializationError')
        expect(await channel.send('still here'), 'still here')


@scenario('channel')
async def slow_requests_delay_no_other(server):
    async with server.channel() as channel:
        slow = channel.send({'cmd': 'delay', 'ms': 600_000, 'value': None})
        expect(await channel.send({'cmd': 'delay', 'ms': 10, 'value': 'fast'}), 'fast')
        expect(await channel.send('faster'), 'faster')
        expect(slow.done(), False)


@scenario('channel')
async def out_of_order(server):
    """Each reply is sent as soon as it is known: here in the reverse order of the requests."""
    async with server.channel() as channel:
        calls = [channel.send({'cmd': 'callback', 'value': i}) for i in range(10)]
        requests = [await channel.recv() for _ in calls]
        for i, request in enumerate(requests):
            expect(request.content, {'cb': i})
        for i in reversed(range(10)):
            await requests[i].reply(i)
            expect(await calls[i], {'cb_result': i})
            expect([call.done() for call in calls], [n >= i for n in range(10)])


@scenario('channel')
async def requests_of_the_server(server):
    """The server calls back while our request is pending."""
    async with server.channel() as channel:
        for value in 1, 'x', [1, {'y': None}]:
            call = channel.send({'cmd': 'callback', 'value': value})
            await (await channel.recv()).reply([value, value])
            expect(await call, {'cb_result': [value, value]})
        call = channel.send({'cmd': 'callback', 'value': 'boom'})
        await (await channel.recv()).fail(KeyError('boom'))
        expect(await call, {'cb_error': True})


@scenario('channel')
async def ids_of_the_server(server):
    """Each side counts its requests from 0, and mirrors the ids of its peer."""
    async with server.stream() as stream:
        for n, msg_id in enumerate([0, 7, 7, 2**40, -5, 'text', None, [1, [2]]]):
            stream.write(server.frame(0, msg_id, {'cmd': 'callback', 'value': n}))
            expect(await stream.receive(), [0, n, {'cb': n}])
            stream.write(server.frame(1, n, 'got it'))
            expect(await stream.receive(), [1, msg_id, {'cb_result': 'got it'}])


@scenario('channel')
async def concurrent_1000(server):
    contents = [[i, 'x' * (i % 50)] for i in range(1000)]
    async with server.channel() as channel:
        expect(await asyncio.gather(*map(channel.send, contents)), contents)


@scenario('channel')
async def connections_10(server):
    async def talk(n):
        async with server.channel() as channel:
            contents = [[n, i] for i in range(100)]
            expect(await asyncio.gather(*map(channel.send, contents)), contents)

    await asyncio.gather(*map(talk, range(10)))


@scenario('channel')
async def mebibytes_8(server):
    async with server.channel() as channel:
        data = '0123456789abcdef' * (8 * MIB // 16) if server.json else os.urandom(8 * MIB)
        expect(await channel.send(data) == data, True)
        expect(await channel.send({'cmd': 'blob', 'size': 8 * MIB}) == 'x' * 8 * MIB, True)


@scenario('channel')
async def byte_by_byte(server):
    """A request in one write per byte, while the server handles another one in between."""
    async with server.channel() as other, server.stream() as stream:
        for byte in server.frame(0, 12345, 'drop by drop'):
            stream.write(bytes([byte]))
            expect(await other.send('tick'), 'tick')
        expect(await stream.receive(), [1, 12345, 'drop by drop'])


@scenario('channel')
async def many_in_one_write(server):
    """The last request lacks a byte, which follows after the replies to the others."""
    async with server.stream() as stream:
        data = b''.join(server.frame(0, i, [i]) for i in range(200))
        stream.write(data[:-1])
        # Replies may arrive in any order.
        expect(sorted([await stream.receive() for _ in range(199)]), [[1, i, [i]] for i in range(199)])
        stream.write(data[-1:])
        expect(await stream.receive(), [1, 199, [199]])


@scenario('channel')
async def server_closes(server):
    """All pending requests fail, and so do later ones."""
    async with server.channel() as channel:
        pending = channel.send({'cmd': 'delay', 'ms': 600_000, 'value': None})
        await expect_disconnect(channel.send({'cmd': 'close'}))
        await expect_disconnect(pending)
        try:
            channel.send('too late')
        except ConnectionError:
            pass
        else:
            raise AssertionError('the channel is still open')
    async with server.channel() as channel:
        await expect_disconnect(channel.send({'cmd': 'half'}))


@scenario('channel')
async def bad_peers_harm_no_other(server):
    slow = {'cmd': 'delay', 'ms': 600_000, 'value': None}
    bad = [b'\xff', server.frame(0, 0, 'cut')[:-1], b'\x00\x00\x00\x05junk!', bytes(4), b'\xff\xff\xff\xff[0, 0',
           server.frame(1, 99, 'unsolicited'), server.frame(2, 99, 'unsolicited'), server.frame(7, 0, 'type?'),
           server.frame(), server.frame(0, 0), server.frame('0', 0, 0), server.frame(0, 0, slow)]
    async with server.channel() as good:
        for data in bad:
            async with server.stream() as stream:
                stream.write(data)
                expect(await good.send('fine'), 'fine')
            expect(await good.send('fine'), 'fine')
