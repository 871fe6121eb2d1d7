"""What managers make: an agent to be named in a call of ``spawn``."""
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
