"""Runs a mosaik simulation with external simulators, and prints the result as one line of JSON.

Usage: world.py MODE [--cmd COMMAND | --connect HOST:PORT]... [--params JSON] [--request JSON]... [--until TIME]

The caller checks the result.

"""
import argparse
import asyncio
import json
import logging
import warnings

import mosaik_api_v3
from loguru import logger
from mosaik import AsyncWorld
from mosaik.starters import CmdStarter, ConnectStarter, PythonStarter
from mosaik_api_v3.connection import RemoteException

warnings.filterwarnings('ignore')
logging.disable(logging.CRITICAL)
ERRORS = []
logger.remove()
logger.enable('mosaik')
logger.add(lambda message: ERRORS.append(message.record['message']), level='ERROR')


class Tide(mosaik_api_v3.Simulator):
    """The level is 7 times the time, and 100 more for each further entity."""

    def __init__(self):
        super().__init__({
            'api_version': '3.0', 'type': 'time-based',
            'models': {'Tide': {'public': True, 'params': [], 'attrs': ['level', 'order']}}})
        self.count = 0
        self.orders = []

    def create(self, num, model):
        first, self.count = self.count, self.count + num
        return [{'eid': str(i), 'type': model} for i in range(first, self.count)]

    def step(self, time, inputs, max_advance):
        self.time = time
        self.orders += [[time, attrs['order']] for attrs in inputs.values()]
        return time + 1

    def get_data(self, outputs):
        return {eid: {'level': 7 * self.time + 100 * int(eid)} for eid in outputs}


class Log(mosaik_api_v3.Simulator):
    """Logs its inputs."""

    def __init__(self):
        super().__init__({
            'api_version': '3.0', 'type': 'time-based',
            'models': {'Log': {'public': True, 'params': [], 'attrs': [], 'any_inputs': True}}})
        self.seen = []

    def create(self, num, model):
        return [{'eid': 'log', 'type': model}]

    def step(self, time, inputs, max_advance):
        self.seen += [[time, source, attr, value]
                      for attrs in inputs.values() for attr, values in attrs.items()
                      for source, value in values.items()]
        if time == 3:
            print('{"running": true}', flush=True)
        return time + 1


async def local(world, cls, sim_id):
    made = []
    factory = await world.start(
        PythonStarter(lambda: made.append(cls()) or made[0]), sim_id=sim_id)
    return factory, made[0]


async def feed(world, sims, args):
    """Two tides for the first counter, one for the second one, none for the third."""
    counters = await sims[0].Counter.create(2, start=100, inc=2) + await sims[0].Counter.create(1)
    tides, _ = await local(world, Tide, 'Tide')
    logs, log = await local(world, Log, 'Log')
    tides, log_entity = await tides.Tide.create(2), await logs.Log()
    for tide, counter in ((0, 0), (1, 0), (0, 1)):
        world.connect(tides[tide], counters[counter], ('level', 'delta'))
    for counter in counters:
        world.connect(counter, log_entity, 'value', 'progress', 'related')
        world.connect(counter.children[0], log_entity, 'half')
    before = await sims[0].call.total(), await sims[0].call.total(factor=0.5), await sims[0].call.total(2)
    await world.run(until=args.until, print_progress=False)
    return {'log': log.seen, 'totals': [*before, await sims[0].call.total()],
            'entities': [[c.full_id, c.type, [h.full_id for h in c.children]] for c in counters]}


async def exchange(world, sims, args):
    """The counters read a tide, and send it commands."""
    tide_sim, tide = await local(world, Tide, 'Tide')
    logs, log = await local(world, Log, 'Log')
    entity, log_entity = await tide_sim.Tide(), await logs.Log()
    counters = await sims[0].Counter.create(2)
    world.connect_async_requests(tide_sim, sims[0])
    for counter in counters:
        world.connect(entity, counter, ('level', 'delta'), async_requests=True)
        world.connect(counter, log_entity, 'value', 'peek')
    await world.run(until=args.until, print_progress=False)
    return {'log': log.seen, 'orders': tide.orders}


async def chain(world, sims, args):
    """The first simulator feeds the second one."""
    logs, log = await local(world, Log, 'Log')
    first, second = await sims[0].Counter(start=5), await sims[1].Counter(start=1000, inc=0)
    log_entity = await logs.Log()
    world.connect(first, second, ('value', 'delta'))
    world.connect(second, log_entity, 'value')
    await world.run(until=args.until, print_progress=False)
    return {'log': log.seen}


async def requests(world, sims, args):
    """Sends any requests to the simulator, including ones that mosaik never sends."""
    answers = []
    for request in args.request:
        try:
            answers.append(['ok', await sims[0]._proxy.send(json.loads(request))])
        except RemoteException as error:
            answers.append([error.remote_type, error.remote_msg])
    return {'answers': answers}


async def single(world, sims, args):
    """One entity of the simulator's first public model, whose first attribute is logged."""
    logs, log = await local(world, Log, 'Log')
    model, meta = next((m, x) for m, x in sims[0]._proxy.meta['models'].items() if x['public'])
    entity, log_entity = await getattr(sims[0], model)(), await logs.Log()
    world.connect(entity, log_entity, meta['attrs'][0])
    await world.run(until=args.until, print_progress=False)
    return {'log': log.seen}


MODES = {f.__name__: f for f in (feed, exchange, chain, requests, single)}


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('mode', choices=MODES)
    parser.add_argument('--cmd', action='append', default=[])
    parser.add_argument('--connect', action='append', default=[])
    parser.add_argument('--params', type=json.loads, default={})
    parser.add_argument('--request', action='append', default=[])
    parser.add_argument('--until', type=int, default=6)
    args = parser.parse_args()
    starters = ([CmdStarter(cmd, auto_terminate=False) for cmd in args.cmd]
                + [ConnectStarter.from_addr_string(addr) for addr in args.connect])
    outcome = {'error': None}
    world = AsyncWorld({}, mosaik_config={'start_timeout': 300},
                       skip_greetings=True, configure_logging=False)
    try:
        sims = [await world.start(starter, sim_id='Sim-%d' % i, **args.params)
                for i, starter in enumerate(starters)]
        outcome['types'] = [sim.type for sim in sims]
        outcome.update(await MODES[args.mode](world, sims, args))
    except RemoteException as error:
        outcome['error'] = [error.remote_type, error.remote_msg]
    except (Exception, SystemExit) as error:
        outcome['error'] = [type(error).__name__, str(error)]
    finally:
        await world.shutdown()
    print(json.dumps({**outcome, 'errors': ERRORS}))


if __name__ == '__main__':
    asyncio.run(main())
