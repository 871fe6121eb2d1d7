"""Print how Python binds arguments to parameters, as JSON (data/binding.json).

    python3.11 make_binding.py > ../data/binding.json

The messages of TypeErrors differ between versions of Python; these are 3.11's.
Needs msgpack.

"""
import json
import sys

import msgpack

assert sys.version_info[:2] == (3, 11), sys.version

DEFAULT = '<default>'
# Name, required parameters, optional parameters, *args, **kwargs; keyword-only: required, optional
FUNCTIONS = [
    ('none', [], [], False, False),
    ('one', ['a'], [], False, False),
    ('add', ['a', 'b'], [], False, False),
    ('three', ['a', 'b', 'c'], [], False, False),
    ('join', ['parts'], ['sep'], False, False),
    ('options', [], ['a', 'b'], False, False),
    ('mixed', ['a', 'b'], ['c', 'd'], False, False),
    ('args', [], [], True, False),
    ('a_args', ['a'], [], True, False),
    ('kwargs', [], [], False, True),
    ('a_kwargs', ['a'], ['b'], False, True),
    ('all', ['a'], ['b'], True, True),
    ('many', list('abcdefghij'), ['k'], False, False),
    ('star', ['a'], [], False, False, ['b'], ['c']),
    ('named', [], [], False, False, ['a', 'b', 'x'], []),
    ('maybe', [], ['a'], False, False, [], ['sep']),
    ('behind', [], ['a'], True, False, ['b'], ['d']),
    ('whole', ['a', 'b'], [], True, True, ['x'], ['sep', 'd']),
]
CALLS = [
    ([], {}), ([1], {}), ([1, 2], {}), ([1, 2, 3], {}), ([1, 2, 3, 4], {}),
    ([1, 2, 3, 4, 5], {}),
    ([], {'a': 1}), ([], {'b': 1}), ([], {'b': 1, 'a': 2}), ([1], {'b': 2}),
    ([1], {'a': 2}), ([1, 2], {'b': 2}), ([1, 2], {'a': 1, 'b': 2}),
    ([1, 2, 3], {'a': 1}), ([1, 2, 3], {'x': 1}), ([1, 2, 3], {'b': 1}),
    ([], {'x': 1}), ([1], {'x': 1}), ([], {'x': 1, 'a': 2}),
    ([1], {'d': 4}), ([1, 2], {'d': 4}), ([1, 2], {'d': 4, 'c': 3}),
    ([1, 2], {'b': 1, 'c': 3}), ([1, 2, 3], {'b': 1, 'c': 3}), ([], {'c': 3}), ([1, 2], {'c': 3}),
    ([], {'a': 1, 'b': 2, 'x': 3}), ([1], {'a': 1, 'b': 2, 'x': 3}), ([1, 2, 3], {'x': 1, 'y': 2}),
    ([[1, 2]], {'sep': ', '}), ([[1, 2], ';'], {'sep': ', '}),
    ([], {'sep': ', '}), ([], {'sep': ', ', 'parts': {'x': []}}),
    ([None, 'x'], {'y': {'z': [1.5, 'ä']}, 'x': []}),
    (list(range(8)), {}), (list(range(9)), {}), (list(range(10)), {}),
    (list(range(11)), {}), (list(range(12)), {}),
    (list(range(9)), {'k': 1}), (list(range(9)), {'k': 1, 'j': 2}),
    (list(range(8)), {'j': 1}), (list(range(9)), {'a': 1, 'j': 2}),
    (list(range(3)), dict(zip('jihgfed', range(7)))),
    (None, {}), (3, {}), (True, {}), (1.5, {}),
    ([], None), ([], 3), ([], [1]), ([], 'x'), (None, None),
]
# MsgPack only
ODD_CALLS = [([1], {1: 2}), ([], b'x'), ([1, 2], {'a': 1, None: 2})]


def make(name, required, optional, args, kwargs, keyword=(), optional_keyword=()):
    parameters = [*required, *(f'{o}={DEFAULT!r}' for o in optional)]
    parameters += ['*args'] if args else ['*'] if keyword or optional_keyword else []
    parameters += [*keyword, *(f'{o}={DEFAULT!r}' for o in optional_keyword)]
    parameters += ['**kwargs'] * kwargs
    namespace = {}
    exec(f'def {name}({", ".join(parameters)}): return locals()', namespace)
    # Some messages contain the module, except this one.
    namespace[name].__module__ = 'builtins'
    return namespace[name]


def plain(value):
    """Tuples, which MsgPack's arrays are, as lists."""
    return json.loads(json.dumps(value))


def call(function, content):
    _path, args, kwargs = content
    try:
        bound = function(*args, **kwargs)
    except TypeError as exc:
        return {'error': str(exc)}
    rest = bound.pop('args', ())
    keywords = bound.pop('kwargs', {})
    values = {k: v for k, v in bound.items() if v != DEFAULT}
    return {'values': plain(values), 'args': plain(rest), 'kwargs': plain(keywords)}


def main():
    functions = []
    for name, required, optional, args, kwargs, *keywords in FUNCTIONS:
        function = make(name, required, optional, args, kwargs, *keywords)
        keyword, optional_keyword = keywords or ([], [])
        cases = []
        for call_args, call_kwargs in CALLS:
            content = [name, call_args, call_kwargs]
            text = json.dumps(content)
            cases.append({'json': text, **call(function, json.loads(text))})
        for call_args, call_kwargs in CALLS + ODD_CALLS:
            data = msgpack.packb([name, call_args, call_kwargs])
            content = msgpack.unpackb(data, use_list=False, strict_map_key=False)
            cases.append({'msgpack': data.hex(), **call(function, content)})
        functions.append({
            'function': name, 'required': required, 'optional': optional,
            'args': args, 'kwargs': kwargs,
            'keyword': keyword, 'optional_keyword': optional_keyword, 'cases': cases,
        })
    print('[')
    for i, function in enumerate(functions):
        cases = function.pop('cases')
        head = json.dumps(function)[:-1]
        print(f'{head}, "cases": [')
        print(',\n'.join('  ' + json.dumps(case) for case in cases))
        print(']}' + (',' if i + 1 < len(functions) else ''))
    print(']')


if __name__ == '__main__':
    main()
