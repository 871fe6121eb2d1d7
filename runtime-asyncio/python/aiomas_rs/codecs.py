"""Codecs: what messages are written in.

:class:`JSON`, :class:`MsgPack` and :class:`MsgPackBlosc` are implemented in Rust and need no other packages.  A subclass of
:class:`Codec` with methods :meth:`~Codec.encode` and :meth:`~Codec.decode` of its own is used as it is.

"""
import collections
import inspect
import sys
import typing

from . import _native
from .exceptions import SerializationError

__all__ = ['serializable', 'Codec', 'JSON', 'MsgPack', 'MsgPackBlosc']

TYPESIZE = 8 if sys.maxsize > 2**32 else 4

try:
    from msgpack import ExtType  # type: ignore
except ImportError:
    ExtType = collections.namedtuple('ExtType', 'code, data')  # type: ignore
    """An extension of MsgPack."""


def serializable(cls=None, repr=True):
    """Make a class serializable, whose ``__init__()`` has parameters that are attributes as well.

    The class gains ``__asdict__()``, ``__fromdict__()``, ``__serializer__()``, which returns the arguments of
    :meth:`Codec.add_serializer`, and a ``__repr__()`` unless *repr* is false.

    """
    def wrap(cls):
        names = list(inspect.signature(cls).parameters)

        def __asdict__(self):
            return {name: getattr(self, name) for name in names}

        def __fromdict__(cls, attrs):
            return cls(**attrs)

        def __serializer__(cls):
            return cls, cls.__asdict__, cls.__fromdict__

        def __repr__(self):
            args = ', '.join('{}={!r}'.format(name, getattr(self, name)) for name in names)
            return '{}({})'.format(type(self).__name__, args)

        cls.__asdict__ = __asdict__
        cls.__fromdict__ = classmethod(__fromdict__)
        cls.__serializer__ = classmethod(__serializer__)
        if repr:
            cls.__repr__ = __repr__
        return cls

    return wrap if cls is None else wrap(cls)


class Codec:
    """Base class of codecs.  Subclasses implement :meth:`encode` and :meth:`decode`."""

    _format: typing.Optional[str] = None

    def __init__(self):
        self._serializers = {}
        self._deserializers = {}

    def __str__(self):
        return '{}[{}]'.format(
            type(self).__name__, ', '.join(type_.__name__ for type_ in self._serializers))

    def encode(self, data):
        """Return *data* as :class:`bytes`."""
        raise NotImplementedError

    def decode(self, data):
        """Return what the :class:`bytes` *data* mean."""
        raise NotImplementedError

    def add_serializer(self, type, serialize, deserialize):
        """Let *serialize* translate objects of *type*, and *deserialize* what it returned back.

        Both sides of a connection need the same types in the same order.  A serializer for :class:`object` is asked for all
        types that have none.

        """
        if type in self._serializers:
            raise ValueError('There is already a serializer for type "{}"'.format(type))
        type_id = len(self._serializers)
        self._serializers[type] = (type_id, serialize)
        self._deserializers[type_id] = deserialize

    def serialize_obj(self, obj):
        """Return *obj* as something that can be encoded."""
        type_ = type(obj)
        found = self._serializers.get(type_) or self._serializers.get(object)
        if found is None:
            raise SerializationError('No serializer found for type "{}"'.format(type_))
        type_id, serialize = found
        try:
            return {'__type__': (type_id, serialize(obj))}
        except Exception as exc:
            raise SerializationError(
                'Could not serialize object "{!r}": {}'.format(obj, exc)) from exc

    def deserialize_obj(self, obj_repr):
        """Return the object that *obj_repr*, a dict, stands for."""
        if '__type__' not in obj_repr:
            return obj_repr
        type_id, data = obj_repr['__type__']
        return self._deserializers[type_id](data)

    def _native_format(self):
        """The name by which the extension knows this codec, if it does."""
        cls = type(self)
        base = next((base for base in cls.__mro__ if '_format' in base.__dict__), Codec)
        same = cls.encode is base.encode and cls.decode is base.decode
        return base._format if same else None


class JSON(Codec):
    """A codec that uses JSON."""

    _format = 'json'

    def encode(self, data):
        return _native.encode('json', data, self)

    def decode(self, data):
        return _native.decode('json', bytes(data), self)


class MsgPack(Codec):
    """A codec that uses MessagePack."""

    _format = 'msgpack'

    def encode(self, data):
        return _native.encode('msgpack', data, self)

    def decode(self, data):
        return _native.decode('msgpack', bytes(data), self)


class MsgPackBlosc(Codec):
    """A codec that uses MessagePack, compressed with Blosc."""

    _format = 'msgpackblosc'

    def encode(self, data):
        return _native.compress(_native.encode('msgpack', data, self))

    def decode(self, data):
        return _native.decode('msgpack', _native.decompress(bytes(data)), self)
