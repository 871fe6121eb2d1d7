"""A master that drives managers in other processes: ``master.py --codec C [--ca CA --cert CERT --key KEY] -- COMMAND...``.

Each COMMAND is a program with its arguments that offers a manager and has an external clock.  Prints their number;
the status is 0 if all of them behaved as expected.
"""
import argparse
import asyncio
import json
import shlex

import peer
import aiomas
from scenario import expect, expect_failure


async def start(command):
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    return process, json.loads(await process.stdout.readline())['ready']['addr']


async def main(args):
    started = await asyncio.gather(*map(start, args.commands))
    tls = aiomas.SSLCerts(args.ca, args.cert, args.key) if args.ca else None
    container = await peer.create_container(peer.Address('tcp://127.0.0.1:0'), ssl=tls, codec=peer.CODECS[args.codec])
    managers = [await container.connect(addr + '/0') for _, addr in started]
    made = await asyncio.gather(*(manager.spawn('interop_agents:Spawned', str(number), suffix='!')
                                  for number, manager in enumerate(managers)))
    labels = [await agent.get_label() for agent, _ in made]
    expect(labels, ['%d!' % number for number in range(len(managers))])
    expect([url for _, url in made], [addr + '/1' for _, addr in started])
    for time in 60, 120:
        expect(await asyncio.gather(*(manager.set_time(time) for manager in managers)), [None] * len(managers))
    for manager in managers:
        await expect_failure(manager.set_time(60), 'ValueError')
    await asyncio.gather(*(manager.stop() for manager in managers))
    expect([await process.wait() for process, _ in started], [0] * len(managers))
    await container.shutdown(as_coro=True)
    print(len(managers), 'managers', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--codec', choices=peer.CODECS, default='json')
    parser.add_argument('--ca', help='in PEM, as the next two; with them, TLS is spoken')
    parser.add_argument('--cert')
    parser.add_argument('--key')
    parser.add_argument('commands', nargs='+')
    peer.run(main(parser.parse_args()))
