"""Measures calls per second: this package, the original aiomas 2.0.1, and a bare asyncio protocol.

    python bench.py [--seconds 1] [--flights 1,64,1024] [--codecs msgpack,json] [--uvloop]

Each contestant is a pair of processes, a server and a client, which take turns. The best of three rounds counts.

"""
import argparse
import asyncio
import importlib
import struct
import subprocess
import sys
import time
import warnings

warnings.simplefilter('ignore')
HEADER = struct.Struct('!L')


def load(which):
    """Return aiomas: this one, or the original with the names that it misses in today's Pythons."""
    if which == 'rs':
        return importlib.import_module('aiomas_rs')
    import types

    class Stand(types.ModuleType):
        def __getattr__(self, name):
            return getattr(self.original, name)

    stand = Stand('asyncio')
    stand.original = asyncio
    stand.Queue = lambda maxsize=0, loop=None: asyncio.Queue(maxsize)
    stand.sleep = lambda delay, result=None, loop=None: asyncio.sleep(delay, result)
    stand.gather = lambda *a, loop=None, **k: asyncio.gather(*a, **k)
    aiomas = importlib.import_module('aiomas')
    for name in ('agent', 'channel', 'clocks', 'rpc'):
        importlib.import_module('aiomas.' + name).asyncio = stand
    import msgpack
    packer = Stand('msgpack')
    packer.original = msgpack

    def unpackb(packed, encoding=None, **kwargs):
        return msgpack.unpackb(packed, raw=False, strict_map_key=False, **kwargs)

    packer.unpackb = unpackb
    importlib.import_module('aiomas.codecs').msgpack = packer
    return aiomas


class Echo(asyncio.Protocol):
    """The least that a server on asyncio does."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Bare(asyncio.Protocol):
    """The least that a client does, with a future for each call."""

    def __init__(self):
        self.futures = []
        self.buffer = b''
        self.out = []

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()

    def send(self, payload):
        future = self.loop.create_future()
        self.futures.append(future)
        if not self.out:
            self.loop.call_soon(self.flush)
        self.out.append(HEADER.pack(len(payload)) + payload)
        return future

    def flush(self):
        self.transport.write(b''.join(self.out))
        self.out.clear()

    def data_received(self, data):
        self.buffer += data
        buffer, at, done = self.buffer, 0, 0
        while len(buffer) - at >= 4:
            end = at + 4 + HEADER.unpack_from(buffer, at)[0]
            if end > len(buffer):
                break
            self.futures[done].set_result(buffer[at + 4:end])
            done += 1
            at = end
        del self.futures[:done]
        self.buffer = buffer[at:]


async def serve(which, codec):
    if which == 'bare':
        server = await asyncio.get_running_loop().create_server(Echo, '127.0.0.1', 0)
    else:
        aiomas = load(which)

        class Root:
            router = aiomas.rpc.Service()

            @router.expose
            def echo(self, value):
                return value

        server = await aiomas.rpc.start_server(('127.0.0.1', 0), Root(),
                                               codec=getattr(aiomas, codec))
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def measure(which, codec, port, flight, seconds, size):
    value = 'x' * size if size else 7
    if which == 'bare':
        _, client = await asyncio.get_running_loop().create_connection(Bare, '127.0.0.1', port)
        payload = b'\x93\x00\x07\x93\xa4echo\x91\x07\x80' + b'x' * size

        def call():
            return client.send(payload)
    else:
        aiomas = load(which)
        client = await aiomas.rpc.open_connection(('127.0.0.1', port),
                                                  codec=getattr(aiomas, codec))
        remote = client.remote

        def call():
            return remote.echo(value)

    count, start, cpu = 0, time.perf_counter(), time.process_time()
    until = start + seconds

    async def worker():
        nonlocal count
        while time.perf_counter() < until:
            await call()
            count += 1

    await asyncio.gather(*[worker() for _ in range(flight)])
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(count / spent, cpu / count * 1e6, flush=True)


def contest(args, which, codec, flight, size, uvloop):
    def run(*more):
        return subprocess.Popen(
            [sys.executable, __file__, '--role', which, '--codecs', codec, *more,
             *(['--uvloop'] if uvloop else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    with run() as server:
        port = server.stdout.readline().strip()
        with run('--port', port, '--flights', str(flight), '--seconds', str(args.seconds),
                 '--size', str(size)) as client:
            calls, cpu = map(float, client.stdout.readline().split())
        server.stdin.close()
    return calls, cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--flights', default='1,64,1024')
    parser.add_argument('--codecs', default='MsgPack,JSON')
    parser.add_argument('--size', type=int, default=0)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--uvloop', action='store_true')
    parser.add_argument('--role')
    parser.add_argument('--port')
    args = parser.parse_args()
    if args.uvloop and args.role:
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if args.role and args.port:
        return asyncio.run(measure(args.role, args.codecs, int(args.port), int(args.flights),
                                   args.seconds, args.size))
    if args.role:
        return asyncio.run(serve(args.role, args.codecs))
    print('codec     in flight   original        new      ratio      bare  (calls/s; client us of CPU)')
    for codec in args.codecs.split(','):
        for flight in map(int, args.flights.split(',')):
            best = {}
            for _ in range(args.rounds):
                for which in ('original', 'rs', 'bare'):
                    result = contest(args, which, codec, flight, args.size, args.uvloop)
                    best[which] = max(best.get(which, (0, 0)), result)
            old, new, bare = (best[which] for which in ('original', 'rs', 'bare'))
            print('{:9} {:9} {:10.0f} {:10.0f} {:9.2f}x {:10.0f}  ({:.1f} {:.1f} {:.1f})'.format(
                codec, flight, old[0], new[0], new[0] / old[0], bare[0], old[1], new[1], bare[1]),
                flush=True)


if __name__ == '__main__':
    main()
