"""Services, channels and codecs."""
import asyncio
import math

import pytest

import aiomas_rs as aiomas
from aiomas_rs import channel, codecs, rpc
from conftest import free_port, python, run, sequence


class Inner:
    router = rpc.Service()

    @router.expose
    def ping(self):
        return 'pong'


class Root:
    router = rpc.Service(['inner', 'functions'])

    def __init__(self):
        self.inner = Inner()
        self.functions = rpc.ServiceDict({'add': rpc.expose(lambda a, b: a + b), 'no': print})

    @router.expose
    async def ask(self, service):
        return await service.ping()

    @router.expose
    def get(self):
        return self.inner


def test_services(address, codec):
    async def main():
        server = await rpc.start_server(address, Root(), codec=codec)
        mine = Inner()
        client = await rpc.open_connection(address, codec=codec, rpc_service=mine)
        remote = client.remote
        assert await remote.inner.ping() == 'pong'
        assert await remote.functions.add(2, 3) == 5
        assert await remote.ask(mine) == 'pong'
        assert await (await remote.get()).ping() == 'pong'
        for path in ['nothing', 'inner/nothing', 'functions/no', '', '/inner']:
            with pytest.raises(aiomas.RemoteException, match='LookupError'):
                await client.channel.send((path, [], {}))
        with pytest.raises(aiomas.RemoteException):
            await client.channel.send(5)
        with pytest.raises(AttributeError):
            remote()
        await client.close()
        assert client.service.done()
        with pytest.raises(ConnectionResetError):
            remote.inner.ping()
        server.close()
        await server.wait_closed()

    run(main())


def test_the_server_is_that_of_asyncio(tmp_path):
    async def main():
        path = str(tmp_path / 'socket')
        connected = []
        async with await rpc.start_server(path, Root(), connected.append) as server:
            assert isinstance(server, asyncio.AbstractServer)
            client = await rpc.open_connection(path)
            assert await client.remote.inner.ping() == 'pong'
            assert isinstance(connected[0], rpc.RpcClient)
            await client.close()

    run(main())


def test_connection_reset():
    async def main():
        address = '127.0.0.1', free_port()
        lost = asyncio.get_running_loop().create_future()

        def connected(client):
            client.on_connection_reset(lost.set_result)

        server = await rpc.start_server(address, Root(), connected)
        client = await rpc.open_connection(address)
        with pytest.raises(RuntimeError):
            client.on_connection_reset(print)
        assert await client.remote.inner.ping() == 'pong'
        await client.close()
        assert isinstance(await lost, ConnectionResetError)
        with pytest.raises(ConnectionRefusedError):
            await rpc.open_connection(('127.0.0.1', free_port()))
        with pytest.raises(FileNotFoundError):
            await rpc.open_connection('/nonexistent/socket')
        with pytest.raises(ValueError):
            await rpc.open_connection(address, rpc_service=5)
        server.close()

    run(main())


def test_routers():
    root = Root()
    assert root.router is root.router and root.inner.router.path == 'inner'
    with pytest.raises(AttributeError):
        root.router = 5
    with pytest.raises(ValueError):
        root.router.add('inner')
    with pytest.raises(ValueError):
        rpc.expose(5)
    assert isinstance(Root.router, rpc.Service)


def test_channels(address, codec):
    async def main():
        async def serve(channel):
            try:
                while True:
                    request = await channel.recv()
                    if request.content == 'fail':
                        await request.fail(ValueError('ohno'))
                    else:
                        await request.reply(request.content)
            except ConnectionError:
                pass

        server = await channel.start_server(address, serve, codec=codec)
        client = await channel.open_connection(address, codec=codec)
        for value in [5, 'é', [1, {'a': None}], 2 ** 63, -2 ** 63, 1e300, True]:
            expected = sequence(codec, 1, {'a': None}) if type(value) is list else value
            assert await client.send(value) == expected
        replies = await asyncio.gather(*[client.send(i) for i in range(500)])
        assert replies == list(range(500))
        with pytest.raises(aiomas.RemoteException, match='ohno'):
            await client.send('fail')
        with pytest.raises(codecs.SerializationError):
            client.send(object())
        big = 'x' * (1 << 20)
        assert await client.send(big) == big
        await client.close()
        with pytest.raises(ConnectionResetError):
            client.send(1)
        server.close()

    run(main())


def test_malformed_input_ends_its_connection_alone():
    async def main():
        address = '127.0.0.1', free_port()
        server = await rpc.start_server(address, Root())
        client = await rpc.open_connection(address)
        for junk in [b'\0\0\0\5hello', b'\xff\xff\xff\xff', b'\0\0\0\x0c[1, 99, "x"]', b'\0\0\0\0']:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(junk)
            assert await reader.read() == b''
            writer.close()
        assert await client.remote.inner.ping() == 'pong'
        await client.close()
        server.close()

    run(main())


class Reversed(codecs.Codec):
    """A codec in Python."""

    def encode(self, data):
        return repr(data).encode()[::-1]

    def decode(self, data):
        return eval(data[::-1])


class Loud(codecs.JSON):
    """A codec with a method of its own."""

    def encode(self, data):
        return super().encode(data)


@pytest.mark.parametrize('codec', [Reversed, Loud])
def test_codecs_in_python(codec):
    async def main():
        address = '127.0.0.1', free_port()
        server = await rpc.start_server(address, Root(), codec=codec)
        client = await rpc.open_connection(address, codec=codec)
        assert await client.remote.functions.add(1, 2) == 3
        with pytest.raises(aiomas.RemoteException, match='LookupError'):
            await client.remote.nothing()
        await client.close()
        server.close()

    run(main())


def test_json_is_that_of_python():
    import json
    codec = aiomas.JSON()
    for value in [None, True, 0, -1, 2 ** 70, 1.0, 1e-7, 1e22, math.inf, 'é😀"\\\n', '\ud800',
                  [], [1, [2]], {}, {'a': {'b': 1}}, {1: 2, None: 3, True: 4, 1.5: 5}]:
        data = codec.encode(value)
        assert data == json.dumps(value).encode()
        assert codec.decode(data) == json.loads(data)
    assert math.isnan(codec.decode(codec.encode(math.nan)))
    for wrong in [{(1, 2): 3}, b'x', {1, 2}, object()]:
        with pytest.raises((TypeError, codecs.SerializationError)):
            codec.encode(wrong)
    for wrong in [b'', b'[1', b'{"a"}', b'nul', b'\xff']:
        with pytest.raises(codecs.SerializationError):
            codec.decode(wrong)


def test_msgpack_is_that_of_python():
    msgpack = pytest.importorskip('msgpack')
    codec = aiomas.MsgPack()
    for value in [None, True, 0, -1, 127, 128, 255, 256, 65536, 2 ** 32, 2 ** 64 - 1, -32, -33, -129,
                  -2 ** 63, 1.5, 'é', 'x' * 300, b'abc', (), (1, (2,)), {}, {'a': b'x'},
                  {(1, 2): 3, 4: 5, None: 6}, msgpack.ExtType(5, b'abc')]:
        data = codec.encode(value)
        assert data == msgpack.packb(value, use_bin_type=True)
        assert codec.decode(data) == value
    assert codec.decode(codec.encode(bytearray(b'x'))) == b'x'
    for wrong in [2 ** 64, -2 ** 63 - 1, object()]:
        with pytest.raises(codecs.SerializationError):
            codec.encode(wrong)


def test_serializers():
    @aiomas.serializable
    class A:
        def __init__(self, x, y=2):
            self.x, self.y = x, y

    codec = aiomas.JSON()
    codec.add_serializer(*A.__serializer__())
    with pytest.raises(ValueError):
        codec.add_serializer(*A.__serializer__())
    data = codec.encode([A(1)])
    assert data == b'[{"__type__": [0, {"x": 1, "y": 2}]}]'
    assert repr(codec.decode(data)) == '[A(x=1, y=2)]'
    assert str(codec) == 'JSON[A]'
    with pytest.raises(KeyError):
        codec.decode(b'{"__type__": [7, 1]}')
    deep = []
    deep.append(deep)
    with pytest.raises(codecs.SerializationError, match='nested'):
        codec.encode(deep)


def test_a_serializer_that_fails_disturbs_nothing_else():
    class Bad:
        pass

    def decode(_data):
        raise RuntimeError('cannot read this')

    def serializer():
        return Bad, lambda _bad: 1, decode

    async def main():
        address = '127.0.0.1', free_port()
        server = await rpc.start_server(address, Root(), extra_serializers=[serializer])
        client = await rpc.open_connection(address, extra_serializers=[serializer])
        with pytest.raises(aiomas.RemoteException, match='cannot read this'):
            await client.remote.functions.add(Bad(), 1)
        assert await client.remote.functions.add(1, 1) == 2
        await client.close()
        server.close()

    run(main())


def test_install(tmp_path):
    program = tmp_path / 'program.py'
    program.write_text(
        'import sys, aiomas, aiomas.codecs\n'
        'from aiomas.subproc import Manager\n'
        'from aiomas import rpc\n'
        'assert getattr(aiomas, "async") is aiomas.create_task\n'
        'assert aiomas.util.obj_from_str("aiomas.subproc:Manager") is Manager\n'
        'print(aiomas.__name__, sys.argv[1:], __name__)\n')
    assert python('-m', 'aiomas_rs', str(program), 'x') == "aiomas_rs ['x'] __main__\n"


def test_utilities():
    assert aiomas.util.obj_from_str('test_rpc:Inner.ping') is Inner.ping
    with pytest.raises(ValueError):
        aiomas.util.obj_from_str('nothing')
    with pytest.raises(ImportError):
        aiomas.util.obj_from_str('no_such_module:x')
    with pytest.raises(AttributeError):
        aiomas.util.obj_from_str('test_rpc:nothing')
    with pytest.raises(ValueError):
        aiomas.get_queue('a/b')
    with pytest.raises(ValueError):
        aiomas.get_queue(5)
