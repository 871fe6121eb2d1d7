#!/usr/bin/env python3
"""Counts the habits that make our English hard to read, and fails if there are any.

    .ci/english.py [--counts] [PATH...]

The texts are pages, comments, and literals in Rust, as far as Git has them; PATH takes files or folders alone. `--counts` prints
a count for each file instead of each place. CONTRIBUTING.md says what to write instead.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = re.compile(r'\b(nobody|somebody|anybody|everybody|whoever|whatever|knobs?)\b', re.IGNORECASE)
# A sentence whose subject is a clause: "What holds ...", "Who calls ...", "That it panics ...". A question may begin so.
FREE = re.compile(r'(What|Who|Whom|Whose)\b')
# "That is ..." and "That limit ..." have a subject.
THAT = re.compile(r'That (it|they|he|she|we|you|there|a|an|the|all|each|its|their|our|your|no|one)\b')

# The file, and the part of the sentence that may stay.
ALLOWED = [
    # The rule itself.
    ('CONTRIBUTING.md', 'Never the words'),
]
# Recordings, other projects, and this program.
SKIPPED = re.compile(r'^(vendor/|tests/data/|fuzz/corpus/|tests/macros/tests/ui/.*\.stderr|\.ci/english\.py|LICENSE)')


def files(chosen):
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', *chosen], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split('\n')
    kept = [name for name in listed if name and not SKIPPED.match(name)]
    return [name for name in kept if name.endswith(('.md', '.rs', '.py', '.toml', '.yml', '.ci/run')) and (ROOT / name).exists()]


def paragraphs_of_page(text):
    """Paragraphs, list items and cells of tables, with their first line. Neither code nor headings."""
    block, start, fence = [], 0, False
    for number, line in enumerate(text.split('\n'), 1):
        bare = line.strip().lstrip('> ')
        if bare.startswith('```'):
            fence = not fence
            bare = ''
        elif fence or bare.startswith('#') or re.match(r'\[.*\]: ', bare) or line.startswith('    '):
            bare = ''
        cells = bare.startswith('|')
        begins = re.match(r'([-*]|\d+\.) ', bare)
        if block and (not bare or cells or begins):
            yield start, ' '.join(block)
            block = []
        if cells:
            for cell in bare.split('|'):
                # Cells are notes, not sentences: only those with a full stop are.
                yield number, cell.strip()
        elif bare:
            if not block:
                start = number
            block.append(re.sub(r'^([-*]|\d+\.) ', '', bare))
    if block:
        yield start, ' '.join(block)


def paragraphs_of_code(text, mark):
    """Comments, paragraph by paragraph."""
    block, start, fence = [], 0, False
    for number, line in enumerate(text.split('\n'), 1):
        found = re.match(mark, line)
        rest = line[found.end():].strip() if found else ''
        if not found:
            fence = False
            trailing = re.search(r'[;,{})] // (.*)$', line) if mark.startswith(r'\s*//') else None
            if trailing:
                yield number, trailing[1]
        if rest.startswith('```'):
            fence = not fence
            rest = ''
        elif fence or rest.startswith('#'):
            rest = ''
        if block and (not rest or rest.startswith(('- ', '* ', '|'))):
            yield start, ' '.join(block)
            block = []
        if rest:
            if not block:
                start = number
            block.append(rest.lstrip('-*| '))
    if block:
        yield start, ' '.join(block)


def literals(text):
    for number, line in enumerate(text.split('\n'), 1):
        if not re.match(r'\s*//', line):
            for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', line):
                yield number, literal


def without_code(text):
    text = re.sub(r'`[^`]*`', '`', text)
    # The title of another page is a name.
    text = re.sub(r'\[(What|Who)\b', '[the page', text)
    return re.sub(r'\]\([^)]*\)', ']', text)


def sentences(text):
    return re.split(r'(?<=[.!?:;])[)"*_]*\s+', text)


def habits(name, text):
    """The line, and the words, of each habit."""
    page = name.endswith('.md')
    if page:
        # Comments of programs as well.
        blocks = [*paragraphs_of_page(text), *paragraphs_of_code(text, r'\s*//[/!]?(?=\s)')]
    elif name.endswith('.rs'):
        blocks = paragraphs_of_code(text, r'\s*//[/!]?')
    else:
        blocks = paragraphs_of_code(text, r'\s*#(?!!)')
    for number, block in blocks:
        block = without_code(block)
        for sentence in sentences(block):
            sentence = sentence.strip('*_([" ')
            for word in WORDS.findall(sentence):
                yield number, word, sentence
            ends = sentence.rstrip(')*_"\'`').endswith('?')
            if not ends and len(sentence.split()) > 2 and (FREE.match(sentence) or THAT.match(sentence)):
                # A link text or a cell without a verb of its own is a title.
                if not (page and not sentence.endswith(('.', ':', ';'))):
                    yield number, sentence.split()[0] + ' ...', sentence
    if name.endswith('.rs'):
        for number, literal in literals(text):
            for word in WORDS.findall(literal):
                yield number, word, literal


def main():
    arguments = sys.argv[1:]
    counts = '--counts' in arguments
    total = 0
    for name in files([path for path in arguments if path != '--counts']):
        found = [
            (number, habit, sentence)
            for number, habit, sentence in habits(name, (ROOT / name).read_text())
            if not any(name == file and part in sentence for file, part in ALLOWED)
        ]
        total += len(found)
        if found and counts:
            print(f'{len(found):5} {name}')
        for number, habit, sentence in [] if counts else found:
            print(f'{name}:{number}: {habit}: {sentence[:100]}')
    print(f'{total} habits' if total else 'no habits')
    return total > 0


sys.exit(main())
