"""The original aiomas as a contestant: ``contestant.py python-CODEC serve|call|hold ...``.

It has the command line and the output of all contestants, see ``benches/contract``.  It needs the folder
``tests/python`` in ``PYTHONPATH``.
"""
import argparse
import asyncio
import resource
import sys
import time

import peer  # before aiomas
import aiomas
import aiomas.rpc

CODECS = {'python-json': peer.CODECS['json'], 'python-msgpack': peer.CODECS['msgpack'],
          'python-blosc': peer.CODECS['msgpackblosc']}


class TestAgent(aiomas.Agent):

    @aiomas.expose
    def service(self, value):
        return value


class Meter:
    """The closed loop: each caller makes its next call when it has the last answer."""

    def __init__(self, args):
        now = time.perf_counter()
        self.left = args.calls or float('inf')
        self.start = now if args.calls else now + args.warmup
        self.until = float('inf') if args.calls else self.start + args.seconds
        self.cpu = self.end = None
        self.times = []

    async def caller(self, remote, content):
        begun = time.perf_counter()
        while begun < self.until and self.left > 0:
            self.left -= 1
            if self.cpu is None and begun >= self.start:
                self.cpu = time.process_time()
                peer.report(measuring=True)
            if await remote.service(content) != content:
                raise ValueError('another answer than what was sent')
            now = time.perf_counter()
            if self.start <= now < self.until:
                self.times.append(now - begun)
            elif now >= self.until and self.end is None:
                self.end = self.until, time.process_time()
            begun = now

    def report(self):
        end, cpu = self.end or (time.perf_counter(), time.process_time())
        if not self.times or self.cpu is None:
            sys.exit('no call ended in the time that counts; take more --seconds')
        times = sorted(self.times)

        def quantile(part):
            return times[min(int(part * len(times)), len(times) - 1)] * 1e6
        peer.report(calls=len(times), seconds=end - self.start, p50=quantile(.5), p90=quantile(.9),
                    p99=quantile(.99), p99_9=quantile(.999), max=times[-1] * 1e6,
                    client_cpu=(cpu - self.cpu) * 1e6 / len(times))


async def serve(args):
    container = await peer.create_container(args.address, codec=CODECS[args.contestant])
    TestAgent(container)
    peer.report(address=args.address.bound(container._tcp_server))
    await peer.end_of_stdin()
    await container.shutdown(as_coro=True)


async def connect(args):
    clients = []
    for _ in range(args.connections):
        clients.append(await aiomas.rpc.open_connection(args.address.raw, codec=CODECS[args.contestant]))
    return clients, [getattr(client.remote.agents, '0') for client in clients]


async def call(args):
    clients, remotes = await connect(args)
    content = 42
    if args.payload:
        content = 'x' * args.payload if args.contestant == 'python-json' else b'x' * args.payload
    meter = Meter(args)
    await asyncio.gather(*(meter.caller(remote, content) for remote in remotes for _ in range(args.in_flight)))
    meter.report()
    await asyncio.gather(*(client.close() for client in clients))


async def hold(args):
    clients, remotes = await connect(args)
    for remote in remotes:
        await remote.service(1)
    peer.report(holding=len(clients))
    await peer.end_of_stdin()
    await asyncio.gather(*(client.close() for client in clients))


def number(least):
    def convert(text):
        if int(text) < least:
            raise ValueError(text)
        return int(text)
    return convert


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('contestant', choices=CODECS)
    roles = parser.add_subparsers(dest='role', required=True)
    role = roles.add_parser('serve')
    role.add_argument('--address', type=peer.Address, default=peer.Address('tcp://127.0.0.1:0'))
    role = roles.add_parser('call')
    role.add_argument('--address', type=peer.Address, required=True)
    role.add_argument('--in-flight', type=number(1), default=1)
    role.add_argument('--payload', type=number(0), default=0)
    role.add_argument('--connections', type=number(1), default=1)
    role.add_argument('--agents', type=int, choices=[1], default=1)
    role.add_argument('--seconds', type=float, default=1)
    role.add_argument('--warmup', type=float, default=.2)
    role.add_argument('--calls', type=number(1))
    role = roles.add_parser('hold')
    role.add_argument('--address', type=peer.Address, required=True)
    role.add_argument('--connections', type=number(1), required=True)
    return parser.parse_args()


if __name__ == '__main__':
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    args = arguments()
    peer.run({'serve': serve, 'call': call, 'hold': hold}[args.role](args))
