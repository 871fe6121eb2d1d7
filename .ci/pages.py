#!/usr/bin/env python3
"""Checks that pages do not lie: names and files exist, figures are those of the files, versions have a date, links lead somewhere.

    .ci/pages.py [BOOK]

Names are looked up in the public API as tests/api/ has it. With BOOK, the folder of a built book, its links are checked as well.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
# Names of others: of Rust and its packages, of Python, of the wire, of the system.
FOREIGN = set('''
    Arc Arrow BTreeMap ByteBuf BytesMut Container Deserialize Display HashMap Infallible Instrument Mutex None RefCell Result Send Serialize String Sync Vec
    Infinity NaN LookupError TypeError ValueError PermissionError OverloadedError DeadlockError ConnectionError TimeoutError RuntimeError Exception
    RemoteException CancelledError ChannelProtocol ConnectionResetError SerializationError SSLCerts block_in_place block_on freeze gen_server memcpy no_run ractor_cluster serde_json serde_bytes utcnow
    Cargo.toml async_std docs_rs lz4_flex miniz_oxide tracing_subscriber epoll tokio bool i64 repr isoformat
    TCP_NODELAY TCP_USER_TIMEOUT MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ RUSTC_BOOTSTRAP PATH PYTHON AIOMAS_CHILD TRYBUILD
    cert_resolver client_auth_cert_resolver make_ssl_server_context init_time extra_serializers wait_for validate_aid rmp_serde
'''.split())


def spans(text):
    """Inline code outside of fences, with its line."""
    fence = False
    for number, line in enumerate(text.split('\n'), 1):
        if line.startswith('```'):
            fence = not fence
        elif not fence and not line.startswith('    '):
            for span in re.findall(r'`([^`]+)`', line):
                yield number, span


class Names:
    """All names that a page may use."""

    def __init__(self):
        api = '\n'.join(path.read_text() for path in sorted((ROOT / 'tests/api').glob('*.txt')))
        # Parameters of types are no part of a path.
        plain = re.sub(r'<[^<>]*>', '', re.sub(r'<[^<>]*>', '', api))
        self.words = set(re.findall(r'\w+', api))
        self.pairs = set()
        for path in re.findall(r'\w+(?:::\w+)+', plain):
            parts = path.split('::')
            self.pairs.update(zip(parts, parts[1:]))
        # A type's module may be private: `connection::Limits` for `aiomas_core::connection::limits::Limits`.
            self.pairs.update((one, parts[-1]) for one in parts)
        self.sources, self.internals = set(), set()
        for folder in ('tests', 'core', 'driver', 'macros', 'mosaik', 'subproc', 'runtime-sim', 'runtime-tokio', 'runtime-smol',
                       'runtime-async-std', 'runtime-asyncio', 'benches', 'examples', 'fuzz', 'docs', '.ci'):
            for path in (ROOT / folder).rglob('*'):
                if path.suffix in ('.rs', '.py') and 'target' not in path.parts:
                    self.sources.add(path.stem)
                    text = path.read_text()
                    self.sources.update(re.findall(r'\b(?:fn|mod|def|macro_rules!|feature =) "?(\w+)', text))
                    self.internals.update(re.findall(r'\b(?:struct|enum|trait|type) (\w+)', text))
                    # Tests that macros make, and factories by name.
                    if path.is_relative_to(ROOT / 'tests'):
                        self.sources.update(re.findall(r'\b[a-z]\w*_\w+\b', text))

    def unknown(self, span, page, inside):
        """Whether the span has the form of a name, and there is none. Pages about the inside may name what is not public."""
        name = re.sub(r'\(.*\)$', '', span.strip())
        name = re.sub(r'\{[^}]*\}', '*', name)
        if not re.fullmatch(r'[\w*]+(::[\w*]+)*', name):
            return False
        parts = name.split('::')
        if any(part in FOREIGN or '*' in part for part in parts[-2:]):
            return False
        last = parts[-1]
        if len(parts) > 1:
            return tuple(parts[-2:]) not in self.pairs and last not in self.sources and last not in page
        is_type = re.fullmatch(r'[A-Z][a-z]\w+', last)
        is_function = '_' in last.strip('_') or span.endswith(')')
        if not (is_type or is_function):
            return False
        if inside and last in self.internals:
            return False
        return last not in self.words and last not in page and not (is_function and last in self.sources)


def names():
    known = Names()
    for path in PAGES:
        text = path.read_text()
        # The page's own programs define names as well.
        code = set(re.findall(r'\w+', ' '.join(re.findall(r'```.*?```', text, re.DOTALL))))
        # Those of aiomas are checked against aiomas, by the test `parity`.
        if path.name == 'parity.md':
            text = re.sub(r'^\| [^|]*\|', '|', text, flags=re.MULTILINE)
        for number, span in spans(text):
            if re.fullmatch(r'[\w.-]+(/[\w.*-]+)+/?', span) and (ROOT / span.split('/')[0]).is_dir():
                # Results of builds are not in the repository.
                if not list(ROOT.glob(span.rstrip('/'))) and not span.startswith('target/'):
                    yield f'{path.relative_to(ROOT)}:{number}: there is no file {span}'
            if known.unknown(span, code, path.name in ('design.md', 'security.md', 'performance.md')):
                yield f'{path.relative_to(ROOT)}:{number}: `{span}` does not exist'


def cells(line):
    return [cell.strip() for cell in line.strip().strip('|').split('|')]


def rounded(text, like):
    """Whether a number of a page is the number of the file, with as many digits as the page has."""
    number, shown = float(text.replace(',', '')), float(like.replace(',', ''))
    digits = len(like.replace(',', '').replace('.', '').rstrip('0')) or 1
    return float(f'{number:.{max(digits - 1, 0)}e}') == shown or abs(number - shown) <= abs(number) * 0.005


def figures():
    """The README's table, and the counts of instructions."""
    tables, mode = {}, None
    measured = (ROOT / 'benches/data/calls.md').read_text()
    for line in measured[:measured.index('## Unix sockets')].split('\n'):
        heading = re.match(r'### `(\w+)`', line)
        mode = heading[1] if heading else mode
        if mode and line.startswith('| ') and not line.startswith('| contestant'):
            tables[mode, cells(line)[0]] = cells(line)[1:]
    contestants = {
        'raw tokio, nothing parsed (the limit)': 'limit-tokio', 'this, tokio, MsgPack': 'ours-tokio-msgpack-typed',
        'this, tokio, JSON': 'ours-tokio-json-typed', 'tarpc, bincode': 'tarpc-bincode', 'jsonrpsee': 'jsonrpsee',
        'aiomas in Python, MsgPack': 'python-msgpack',
    }
    readme = (ROOT / 'README.md').read_text()
    block = readme.split('<!-- figures: from benches/data/calls.md -->')[1].split('<!-- end of figures -->')[0]
    for row in [cells(line) for line in block.split('\n') if line.startswith('|')][2:]:
        name = contestants.pop(row[0], None)
        if not name:
            yield f'README.md: no contestant {row[0]!r}'
            continue
        # The fifth column is the median of latencies.
        places = [('seq', 4), ('pipe64', 0), ('pipe1024', 0), ('bulk1m', 0)]
        for shown, (mode, column) in zip(row[1:], places):
            there = tables[mode, name][column]
            if not rounded(there, shown):
                yield f'README.md: {row[0]}: {shown} is {there} in benches/data/calls.md'
    if contestants:
        yield f'README.md: no figures of {", ".join(contestants)}'
    names = sum(cells(line)[0].count('`') // 2 for line in (ROOT / 'docs/parity.md').read_text().split('\n') if line.startswith('| `'))
    if f'All {names} public names' not in readme:
        yield f'README.md: docs/parity.md has {names} names'
    scale = re.sub(r'`[^`]*`', '', (ROOT / 'docs/scale.md').read_text())
    for number in re.findall(r'\d+(?:,\d{3})+|\b\d{3} bytes|\d+\.\d KiB', scale):
        if number.split()[0] not in measured:
            yield f'docs/scale.md: {number} is not in benches/data/calls.md'
    counts = json.loads((ROOT / 'benches/data/instructions.json').read_text())
    keys = {'pure core': 'core', 'poll loop': 'poll', ', MsgPack': '-msgpack', ', JSON': '-json', ', 64 in flight': '-64', ', one caller': '-1'}
    table = re.search(r'\| per call \| counted.*?\n\n', (ROOT / 'docs/design.md').read_text(), re.DOTALL)[0]
    for row in [cells(line) for line in table.strip().split('\n')][2:]:
        key = row[0]
        for text, part in keys.items():
            key = key.replace(text, part)
        if counts.get(key) != int(row[1].replace(',', '')):
            yield f'docs/design.md: {row[0]}: {row[1]} is {counts.get(key)} in benches/data/instructions.json'


def versions():
    text = (ROOT / 'docs/comparison.md').read_text()
    for row in [cells(line) for line in text.split('\n') if line.startswith('|')][2:]:
        if not re.search(r'\d, \d{4}-\d{2}$|, \d{4}-\d{2}$', row[-1]):
            yield f'docs/comparison.md: {row[0]}: the version has no date'


def links(book):
    anchors = {}

    def anchors_of(path):
        if path not in anchors:
            anchors[path] = set(re.findall(r'id="([^"]+)"', path.read_text()))
        return anchors[path]

    for path in sorted(book.rglob('*.html')):
        # They have links to everything, and are made by mdBook.
        if path.name in ('print.html', 'toc.html', '404.html'):
            continue
        body = path.read_text().split('<main>')[-1].split('</main>')[0]
        for link in re.findall(r'(?:href|src)="([^"]+)"', body):
            if '://' in link or link.startswith('mailto:'):
                continue
            file, _, anchor = link.partition('#')
            target = (path.parent / file) if file else path
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                yield f'{path.name}: {link} leads nowhere'
    if not list(book.glob('searchindex*.js')):
        yield 'the book has no search'


def main():
    found = [*names(), *figures(), *versions()]
    if len(sys.argv) > 1:
        found += links(pathlib.Path(sys.argv[1]))
    print('\n'.join(found) or 'pages are as the code')
    return bool(found)


sys.exit(main())
