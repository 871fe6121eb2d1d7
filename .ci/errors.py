#!/usr/bin/env python3
"""Writes the texts of all errors into the tables of docs/errors.md, as the code has them.

    .ci/errors.py [--check]

A marker `<!-- errors CRATE ENUM... -->`, with the names as code, stands above each table. A row is the variant, its text, and what to do; the last is written by
hand and stays. A variant without advice fails. With `--check`, nothing is written and a difference fails.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs' / 'errors.md'
FOLDERS = {'aiomas': 'driver', 'aiomas-core': 'core', 'aiomas-mosaik': 'mosaik', 'aiomas-subproc': 'subproc'}


def rust_string(text):
    """The value of the literal at the beginning of `text`."""
    literal = re.match(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)[1]
    literal = re.sub(r'\\\n\s*', '', literal)
    return literal.replace('\\"', '"').replace('\\n', ' ').replace('\\\\', '\\')


def readable(attribute):
    """What users read: names for what is filled in, where there are any."""
    if attribute.startswith('transparent'):
        return 'the text of its cause'
    text = rust_string(attribute)
    if text in ('{0}', '{}', '{text}'):
        return 'composed: see the API documentation'
    text = re.sub(r'\{(\w*)[^{}]*\}', lambda m: '…' if not m[1] or m[1].isdigit() else f'<{m[1]}>', text)
    return text.replace('{{', '{').replace('}}', '}')


def attribute_at(text, start):
    """The content of `#[error(...)]` that begins at `start`."""
    depth, at, quoted = 1, start, False
    while depth:
        if text[at] == '"' and text[at - 1] != '\\':
            quoted = not quoted
        elif not quoted:
            depth += {'(': 1, ')': -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1].strip(), at


def variants(crate, name):
    """The variants of an enum with their texts, in the order of the source."""
    for path in sorted((ROOT / FOLDERS[crate] / 'src').rglob('*.rs')):
        text = path.read_text()
        begin = re.search(rf'^pub enum {name} \{{$', text, re.MULTILINE)
        if not begin:
            continue
        body = text[begin.end():text.index('\n}', begin.end())]
        found = []
        for error in re.finditer(r'#\[error\(', body):
            attribute, end = attribute_at(body, error.end())
            variant = re.search(r'^    ([A-Z]\w*)', body[end:], re.MULTILINE)[1]
            found.append((variant, readable(attribute)))
        assert found, f'{name} of {crate} has no texts'
        return found
    raise SystemExit(f'there is no error {name} in {crate}: rename it in {PAGE.name}')


def main():
    old = PAGE.read_text()
    missing = []

    def table(match):
        crate, *names = match[1].replace('`', '').split()
        advice = {}
        for row in match[2].split('\n'):
            cells = [cell.strip() for cell in re.split(r'(?<!\\)\|', row)[1:-1]]
            if len(cells) == 3:
                advice[cells[0].strip('`')] = cells[2]
        rows = ['| error | text | what it means, and what to do |', '| --- | --- | --- |']
        for name in names:
            for variant, text in variants(crate, name):
                key = f'{name}::{variant}'
                if not advice.get(key):
                    missing.append(f'{key} of {crate}')
                text = text.replace('|', '\\|').replace('<', '&lt;')
                rows.append(f'| `{key}` | {text} | {advice.get(key, "")} |')
        return f'<!-- errors {match[1]} -->\n\n' + '\n'.join(rows) + '\n'

    new = re.sub(r'<!-- errors ([^>]*?) -->\n\n((?:\|.*\n)*)', table, old)
    if missing:
        print('docs/errors.md does not say what to do about', ', '.join(missing))
    if '--check' in sys.argv:
        if new != old:
            print('docs/errors.md is not as the code: run .ci/errors.py')
        return bool(missing) or new != old
    PAGE.write_text(new)
    return bool(missing)


sys.exit(main())
