"""The code shared by server and client: addresses, codecs, user types, the command line."""
import argparse
import asyncio
import json
import logging
import os
import sys

import compat  # noqa: F401  (before aiomas)
import aiomas
import aiomas.codecs


@aiomas.codecs.serializable
class Point:
    """On the wire: ``{"x": x, "y": y}``."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(other) is Point and (self.x, self.y) == (other.x, other.y)


class Celsius:
    """On the wire: a number."""

    def __init__(self, degrees):
        self.degrees = degrees

    def __eq__(self, other):
        return type(other) is Celsius and self.degrees == other.degrees

    @classmethod
    def __serializer__(cls):
        return cls, lambda celsius: celsius.degrees, cls


class Mode:
    """On the wire: ``'off'``, ``{'Level': n}`` or ``{'Between': {'low': Point, 'high': Point}}``."""

    def __init__(self, data):
        self.data = data

    def __eq__(self, other):
        return type(other) is Mode and self.data == other.data

    def louder(self):
        match self.data:
            case 'off':
                return Mode({'Level': 1})
            case {'Level': level}:
                return Mode({'Level': level + 1})
            case {'Between': {'low': low, 'high': high}}:
                return Mode({'Between': {'low': high, 'high': low}})

    @classmethod
    def __serializer__(cls):
        return cls, lambda mode: mode.data, cls


class Backwards(aiomas.codecs.MsgPack):
    """Reverses each message, and prefixes it with a letter as a marker."""

    def encode(self, data):
        return b'B' + super().encode(data)[::-1]

    def decode(self, data):
        assert data[:1] == b'B'
        return super().decode(data[:0:-1])


CODECS = {'json': aiomas.codecs.JSON, 'msgpack': aiomas.codecs.MsgPack,
          'msgpackblosc': aiomas.codecs.MsgPackBlosc, 'backwards': Backwards}
TYPES = {'point': Point.__serializer__, 'celsius': Celsius.__serializer__,
         'mode': Mode.__serializer__}


class Address(str):
    """``tcp://HOST:PORT`` or ``ipc://[PATH]``."""

    @property
    def raw(self):
        """The address for aiomas and asyncio: a pair of host and port, or a path."""
        scheme, _, rest = self.partition('://')
        if scheme == 'ipc':
            return rest.strip('[]')
        host, _, port = rest.rpartition(':')
        return host, int(port)

    def bound(self, server):
        """The address with the actual port of *server*."""
        if self.startswith('ipc:'):
            return self
        return Address('tcp://%s:%d' % (self.raw[0], server.sockets[0].getsockname()[1]))


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('kind', choices=['channel', 'rpc', 'agent', 'manager'])
    parser.add_argument('--addr', type=Address, default=Address('tcp://127.0.0.1:0'))
    parser.add_argument('--codec', choices=CODECS, default='json')
    parser.add_argument('--serializers', default='none', help='none, or names, in the order of their ids: %s'
                        % ', '.join(TYPES))
    parser.add_argument('--clock', default='real', help='of the server: real, or external:DATE (its start)')
    parser.add_argument('--ca', help='in PEM, as the next two; with them, TLS is spoken')
    parser.add_argument('--cert')
    parser.add_argument('--key')
    args = parser.parse_args()
    args.tls = aiomas.SSLCerts(args.ca, args.cert, args.key) if args.ca else None
    names = [] if args.serializers == 'none' else args.serializers.split(',')
    args.options = {'codec': CODECS[args.codec], 'extra_serializers': [TYPES[name] for name in names]}
    return args


async def create_container(addr, clock=None, **options):
    """A container whose agents have URLs with the bound port, where aiomas would write port 0."""
    container = await aiomas.Container.create(addr.raw, clock=clock, as_coro=True, **options)
    container._base_url = addr.bound(container._tcp_server) + '/'
    return container


async def end_of_stdin(*stop):
    """Wait until the parent process closes our standard input or ends, or one of the futures *stop* is done."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def read():
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set_result(None)

    loop.add_reader(sys.stdin.fileno(), read)
    await asyncio.wait([ended, *stop], return_when=asyncio.FIRST_COMPLETED)


def report(**line):
    print(json.dumps(line), flush=True)


def run(main):
    """Run the coroutine without warnings about the tasks that aiomas leaks when a peer disconnects."""
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main))
