"""A simulator of pumps, made with mosaik's own API: adds a level to its inputs, and may misbehave.

Usage: simulator.py [--remote] HOST:PORT

"""
import sys

import mosaik_api_v3

META = {
    'api_version': '3.0', 'type': 'time-based',
    'models': {
        'Pump': {'public': True, 'params': ['level'], 'attrs': ['flow', 'level', 'progress', 'peek']},
        'Valve': {'public': False, 'params': [], 'attrs': ['open']},
    },
    'extra_methods': ['fill', 'burst'],
}


class Pumps(mosaik_api_v3.Simulator):
    def __init__(self):
        super().__init__(META)
        self.pumps = {}

    def init(self, sid, time_resolution, meta={}, result=None, data={}, ask=False, **more):
        """meta: changes of the meta data; result: what a step returns (a list of one); data: further data."""
        self.sid, self.result, self.data, self.ask = sid, result, data, ask
        self.resolution = time_resolution
        self.meta.update(meta)
        return self.meta

    def create(self, num, model, level=0, short=0, other=None):
        pumps = []
        for _ in range(num - short):
            eid = 'pump_%d' % len(self.pumps)
            self.pumps[eid] = {'level': level, 'flow': 0, 'progress': None, 'peek': None}
            pumps.append({'eid': eid, 'type': other or model, 'extra_info': {'from': self.sid},
                          'children': [{'eid': eid + '_valve', 'type': 'Valve', 'rel': [eid]}]})
        return pumps

    def step(self, time, inputs, max_advance=None):
        self.max_advance = max_advance
        for eid, attrs in inputs.items():
            flow = sum(attrs['flow'].values())
            self.pumps[eid]['flow'] = flow
            self.pumps[eid]['level'] += flow * self.resolution
        if self.ask:
            progress = yield self.mosaik.get_progress()
            related = yield self.mosaik.get_related_entities('%s.pump_0' % self.sid)
            both = yield self.mosaik.get_related_entities(['%s.pump_0' % self.sid])
            graph = yield self.mosaik.get_related_entities()
            peek = yield self.mosaik.get_data({'Other.x': ['y']})
            yield self.mosaik.set_data({'%s.pump_0' % self.sid: {'Other.x': {'z': time}}})
            yield self.mosaik.set_event(time + 7)
            for pump in self.pumps.values():
                pump.update(progress=progress, peek=[related, both, graph, peek])
        return time + 10 if self.result is None else self.result[0]

    def get_data(self, outputs):
        data = {eid: {attr: self.pumps[eid][attr] for attr in attrs} for eid, attrs in outputs.items()}
        data.update(self.data)
        return data

    def fill(self, amount, times=1):
        for pump in self.pumps.values():
            pump['level'] += amount * times
        return [sorted(self.pumps), self.max_advance]

    def burst(self):
        raise RuntimeError('water everywhere')


if __name__ == '__main__':
    sys.exit(mosaik_api_v3.start_simulation(Pumps(), configure_logging=False))
