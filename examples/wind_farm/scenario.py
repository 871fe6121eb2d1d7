"""A wind farm and the agents that keep it below its limit, run by mosaik.

Prints a line of JSON for each step, {"step": {...}}, and one at the end, {"seconds": {...}}, with the time spent in each part.

"""
import argparse
import json
import shlex
import time

import mosaik
import mosaik.util
import mosaik_api_v3

STEP = 900
ATTRS = 'wind', 'p_possible', 'p_max', 'p'


class Recorder(mosaik_api_v3.Simulator):
    """Prints its inputs in each step."""

    def __init__(self):
        super().__init__({
            'api_version': '3.0', 'type': 'time-based', 'extra_methods': ['seconds'],
            'models': {'Recorder': {'public': True, 'params': ['sources'], 'attrs': ATTRS}}})
        self.busy = 0

    def create(self, num, model, sources):
        self.sources = sources
        return [{'eid': 'recorder', 'type': model}]

    def step(self, now, inputs, max_advance):
        begin = time.perf_counter()
        values = {attr: [data[source] for source in self.sources] for attr, data in inputs['recorder'].items()}
        print(json.dumps({'step': {'time': now, **values}}, separators=(',', ':')), flush=True)
        self.busy += time.perf_counter() - begin
        return now + STEP

    def get_data(self, outputs):
        return {}

    def seconds(self):
        return self.busy


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument('--program', required=True, help='the program wind_farm')
    parser.add_argument('--turbines', type=int, required=True)
    parser.add_argument('--steps', type=int, required=True, help='of 15 minutes each')
    parser.add_argument('--limit', type=int, required=True, help='what the farm may feed in, in watts')
    parser.add_argument('--children', type=int, required=True, help="processes for the turbines' agents")
    parser.add_argument('--wind', help='a file of wind, if not the one that is built in')
    return parser.parse_args()


def command(*words):
    """The command that starts a simulator. The simulator ends by itself when mosaik ends."""
    words = ' '.join(shlex.quote(word).replace('%', '%%') for word in words)
    return {'cmd': words + ' %(addr)s', 'posix': True, 'auto_terminate': False}


def main():
    begin = time.perf_counter()
    args = arguments()
    sim_config = {
        'Turbines': command(args.program, 'turbines', *(['--wind', args.wind] if args.wind else [])),
        'Agents': command(args.program, 'agents', '--children', str(args.children)),
        'Recorder': {'python': '__main__:Recorder'},
    }
    with mosaik.World(sim_config, mosaik_config={'start_timeout': 300}, skip_greetings=True) as world:
        turbine_sim = world.start('Turbines', sim_id='Turbines')
        agent_sim = world.start('Agents', sim_id='Agents', limit=args.limit)
        recorder_sim = world.start('Recorder', sim_id='Recorder')

        turbines = turbine_sim.Turbine.create(args.turbines)
        rated = [turbine.extra_info['rated_power'] for turbine in turbines]
        agents = agent_sim.TurbineAgent.create(args.turbines, rated_power=rated)
        recorder = recorder_sim.Recorder(sources=[turbine.full_id for turbine in turbines])
        for turbine, agent, power in zip(turbines, agents, rated):
            world.connect(turbine, agent, 'p', 'p_possible')
            # The agents' decisions in one step hold in the next; a turbine's rated power is no maximum.
            world.connect(agent, turbine, 'p_max', time_shifted=True, initial_data={'p_max': power})
        mosaik.util.connect_many_to_one(world, turbines, recorder, *ATTRS)

        ready, processor = time.perf_counter(), time.process_time()
        world.run(until=args.steps * STEP, print_progress=False)
        seconds = {'start': ready - begin, 'run': time.perf_counter() - ready,
                   'python': time.process_time() - processor}
        for name, sim in ('turbines', turbine_sim), ('agents', agent_sim), ('recorder', recorder_sim):
            seconds[name] = sim.seconds()
        print(json.dumps({'seconds': seconds}), flush=True)


if __name__ == '__main__':
    main()
