"""Exceptions of this package."""
from . import _native


class AiomasError(Exception):
    """Base class of the exceptions of this package."""


class RemoteException(AiomasError):
    """A method on the other side of a channel has failed.

    *origin* is the address of the peer, *remote_traceback* the text that it has sent: usually a traceback.

    """
    def __init__(self, origin, remote_traceback):
        super().__init__(origin, remote_traceback)
        self.origin = origin
        self.remote_traceback = remote_traceback

    def __str__(self):
        return 'Origin: {}\n{}'.format(self.origin, self.remote_traceback)

    @property
    def kind(self):
        """The type of the remote exception, as the peer names it, such as ``'ValueError'``."""
        return _native.parse_failure(str(self.remote_traceback))[0]

    @property
    def message(self):
        """The message of the remote exception."""
        return _native.parse_failure(str(self.remote_traceback))[1]


class LimitExceeded(AiomasError):
    """A call was refused because too much is in flight.  The text names the limit."""


class SerializationError(Exception):
    """An object cannot be serialized, or a message cannot be read."""
