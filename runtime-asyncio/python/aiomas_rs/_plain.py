"""A connection for codecs that are written in Python: the interface of ``_native.Connection``."""
import itertools
import struct

HEADER = struct.Struct('!L')
REQUEST, RESULT, FAILURE = range(3)


class Incoming:
    """A request of the peer."""

    __slots__ = 'id', 'content'

    def __init__(self, id_, content):
        self.id = id_
        self.content = content


class Connection:
    """Frames, requests and answers, without timeouts and limits."""

    wants_read = True
    cancels = False
    format = 'custom'

    def __init__(self, codec, failure):
        self._codec = codec
        self._failure = failure
        self._input = bytearray()
        self._output = []
        self._calls = {}
        self._ids = itertools.count()
        self._closed = False
        self._stats = dict.fromkeys(['frames_in', 'frames_out', 'bytes_in', 'bytes_out'], 0)

    def receive(self, data):
        """See ``_native.Connection.receive()``."""
        self._input += data
        self._stats['bytes_in'] += len(data)
        answered, items = False, []
        while not self._closed and len(self._input) >= HEADER.size:
            end = HEADER.size + HEADER.unpack_from(self._input)[0]
            if len(self._input) < end:
                break
            payload = bytes(self._input[HEADER.size:end])
            del self._input[:end]
            self._stats['frames_in'] += 1
            try:
                kind, id_, content = self._codec.decode(payload)
                if kind == REQUEST:
                    items.append(Incoming(id_, content))
                    continue
                future = self._calls.pop(id_)
                if kind not in (RESULT, FAILURE):
                    raise ValueError('Invalid message type {}'.format(kind))
            except Exception as exc:
                items.append('the peer sent a message that cannot be read: {!r}'.format(exc))
                self.lost()
                break
            answered = True
            if future.done():
                continue
            if kind == RESULT:
                future.set_result(content)
            else:
                future.set_exception(self._failure('remote', content))
        return answered, items or None

    def call(self, content, future, timeout=None):
        """See ``_native.Connection.call()``.  There are no timeouts."""
        id_ = next(self._ids)
        self._send(REQUEST, id_, content)
        self._calls[id_] = future
        return id_

    def cancel(self, id_):
        """Do nothing: the peer does not know how to cancel."""

    def reply(self, incoming, value):
        """See ``_native.Connection.reply()``."""
        self._send(RESULT, incoming.id, value)

    def fail(self, incoming, kind, message, text):
        """See ``_native.Connection.fail()``."""
        self._send(FAILURE, incoming.id, text)

    def _send(self, kind, id_, content):
        if self._closed:
            raise self._failure('lost', 'Connection closed')
        payload = self._codec.encode((kind, id_, content))
        try:
            header = HEADER.pack(len(payload))
        except struct.error:
            raise ValueError('Serialized message is too long ({})'.format(len(payload))) from None
        self._output += [header, payload]
        self._stats['frames_out'] += 1
        self._stats['bytes_out'] += HEADER.size + len(payload)

    def watch(self, incoming, task):
        """Do nothing: the peer does not know how to cancel."""

    def take(self):
        """Return the bytes to be written next."""
        if not self._output:
            return None
        data = b''.join(self._output)
        self._output.clear()
        return data

    def timeout(self):
        """Return ``None``: nothing is ever due."""

    def handle_timeout(self):
        """Return that nothing has happened."""
        return False, None

    def lost(self):
        """Let all calls fail."""
        self._closed = True
        calls, self._calls = self._calls, {}
        for future in calls.values():
            if not future.done():
                future.set_exception(self._failure('lost', 'Connection closed'))
        return bool(calls), None

    def stats(self):
        """Return counts of what went over the connection."""
        return dict(self._stats, calls_out=len(self._calls))
