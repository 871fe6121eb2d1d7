"""A server: ``server.py channel|rpc|agent|manager --addr ADDR --codec C [--serializers S]``.

Prints ``{"ready": {"addr": ADDR, ...}}`` and ends with its standard input; a manager also ends it.
"""
import asyncio
from contextlib import suppress

import peer
import aiomas
import aiomas.channel
import aiomas.rpc
import aiomas.subproc
import services


class ChannelServer:
    """Answers each request with its content, unless that is ``{"cmd": NAME, ...}``."""

    def __init__(self):
        self.channels, self.tasks = set(), set()

    async def serve(self, channel):
        self.channels.add(channel)
        try:
            while True:
                task = asyncio.create_task(self.handle(channel, await channel.recv()))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        except (ConnectionError, RuntimeError):  # closed, or a message of unknown type
            self.channels.discard(channel)
            await channel.close()

    async def handle(self, channel, request):
        content = request.content
        command = content.get('cmd') if isinstance(content, dict) else None
        with suppress(ConnectionError):
            match command:
                case 'fail':
                    await request.fail(ValueError(content['msg']))
                case 'delay':
                    await asyncio.sleep(content['ms'] / 1000)
                    await request.reply(content['value'])
                case 'callback':
                    try:
                        answer = {'cb_result': await channel.send({'cb': content['value']})}
                    except aiomas.RemoteException:
                        answer = {'cb_error': True}
                    await request.reply(answer)
                case 'blob':
                    await request.reply('x' * content['size'])
                case 'unserializable':
                    await request.reply(object())
                case 'close':
                    await channel.close()
                case 'half':
                    payload = channel.codec.encode((aiomas.channel.RESULT, request._msg_id, 'half'))
                    channel.transport.write(aiomas.channel.Header.pack(len(payload)) + payload[:-1])
                    await channel.close()
                case _:
                    await request.reply(content)


def server_context(args):
    return aiomas.make_ssl_server_context(*args.tls) if args.tls else None


async def start_channel(args):
    server = ChannelServer()
    socket = await aiomas.channel.start_server(args.addr.raw, server.serve, ssl=server_context(args), **args.options)

    async def stop():
        socket.close()
        for channel in list(server.channels):
            await channel.close()
    return {'addr': args.addr.bound(socket)}, stop


async def start_rpc(args):
    root = services.Root()
    socket = await aiomas.rpc.start_server(args.addr.raw, root, root.clients.append, ssl=server_context(args),
                                           **args.options)

    async def stop():
        socket.close()
        await asyncio.gather(*(client.close() for client in root.clients), return_exceptions=True)
    return {'addr': args.addr.bound(socket)}, stop


async def start_container(args):
    kind, _, start = args.clock.partition(':')
    clock = aiomas.ExternalClock(start) if kind == 'external' else None
    return await peer.create_container(args.addr, clock, ssl=args.tls, **args.options)


async def start_agent(args):
    container = await start_container(args)
    agents = [cls(container) for cls in (services.Echo, services.Caller, services.Clock)]
    urls = {type(agent).__name__: agent.addr for agent in agents}
    return ({'addr': args.addr.bound(container._tcp_server), 'agents': urls},
            lambda: container.shutdown(as_coro=True))


async def start_manager(args):
    container = await start_container(args)
    manager = aiomas.subproc.Manager(container)
    return ({'addr': args.addr.bound(container._tcp_server), 'agents': {'Manager': manager.addr}},
            lambda: container.shutdown(as_coro=True), manager.stop_received)


async def main(args):
    ready, stop, *stopped = await globals()['start_' + args.kind](args)
    peer.report(ready=ready)
    await peer.end_of_stdin(*stopped)
    await stop()


if __name__ == '__main__':
    peer.run(main(peer.arguments(__doc__)))
