"""Agents that managers spawn: the argument of a call of ``spawn`` names one."""
import compat  # noqa: F401  (before aiomas)
import aiomas
from aiomas import expose


class Spawned(aiomas.Agent):

    def __init__(self, container, label, suffix=''):
        super().__init__(container)
        self.label = label + suffix

    @classmethod
    async def create(cls, container, label):
        return cls(container, label, suffix='!')

    @expose
    def get_label(self):
        return self.label
