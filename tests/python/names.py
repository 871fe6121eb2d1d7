"""Prints all public names of aiomas: ``module.name``, and ``module.Class.name`` for methods and attributes.

A name is public if it has no leading underscore and is defined in its module.  A name that a package re-exports is
listed where it is defined.
"""
import ast
import importlib
import inspect
import pkgutil
import textwrap

import compat  # noqa: F401  (before aiomas)
import aiomas


def members(cls):
    """Methods, properties and the attributes set in ``__init__()``."""
    names = {name for name in vars(cls) if not name.startswith('_')}
    if '__init__' in vars(cls) and inspect.isfunction(cls.__init__):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr[0] != '_':
                names.add(node.attr)
    return names


def names(module):
    exported = getattr(module, '__all__', ())
    for name, value in vars(module).items():
        foreign = inspect.ismodule(value) or getattr(value, '__module__', module.__name__) != module.__name__
        if name.startswith('_') or (foreign and name not in exported) or type(value).__name__ == 'SimpleNamespace':
            continue
        yield name
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield from ('%s.%s' % (name, member) for member in members(value))


found = set()
for info in pkgutil.iter_modules(aiomas.__path__):
    module = importlib.import_module('aiomas.' + info.name)
    found.update('%s.%s' % (info.name, name) for name in names(module))
for name in aiomas.__all__:
    assert any(known.endswith('.' + name) for known in found), name
print('\n'.join(sorted(found)))
