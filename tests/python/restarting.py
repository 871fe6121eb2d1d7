"""A container whose agents are spawned in a given order: ``restarting.py ADDR CLASS...``.

Prints ``{"ready": {"addr": ADDR}}`` and ends with its standard input.
"""
import asyncio
import sys

import peer
import aiomas


class Device(aiomas.Agent):
    @aiomas.expose
    def switch(self):
        return type(self).__name__


class Lamp(Device):
    pass


class Pump(Device):
    pass


async def main(addr, *classes):
    container = await peer.create_container(peer.Address(addr))
    agents = [{'Lamp': Lamp, 'Pump': Pump}[name](container) for name in classes]
    peer.report(ready={'addr': agents[0].addr.rsplit('/', 1)[0]})
    await peer.end_of_stdin()
    await container.shutdown(as_coro=True)


asyncio.run(main(*sys.argv[1:]))
