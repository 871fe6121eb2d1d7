#!/usr/bin/env python3
"""Draws docs/fleet.svg from what the example prints:

    cargo run --example consensus | .ci/fleet.py > docs/fleet.svg
"""

import math
import re
import sys

COLOURS = ['#2a6fbb', '#c8553d', '#3a8f5c']


def text(x, y, content, size=13, anchor='middle', colour='#333', weight='normal'):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{content}</text>')


def ring(starts, ends):
    centre, radius = (210, 215), 130
    places = []
    for number in range(len(starts)):
        angle = 2 * math.pi * number / len(starts) - math.pi / 2
        places.append((centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle), angle))
    for one, other in zip(places, places[1:] + places[:1]):
        yield f'<line x1="{one[0]:.0f}" y1="{one[1]:.0f}" x2="{other[0]:.0f}" y2="{other[1]:.0f}" stroke="#999" stroke-width="2"/>'
    for number, (x, y, angle) in enumerate(places):
        yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="19" fill="{COLOURS[number % 3]}"/>'
        yield text(x, y + 5, number, 14, colour='white', weight='bold')
        far = radius + 42
        yield text(centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle) + 5, starts[number])
    value, rounds = ends[0]
    yield text(*centre, f'{float(value):.6f}', 20, weight='bold')
    yield text(centre[0], centre[1] + 20, f'after {rounds} rounds')


def plot(apart):
    left, top, width, height = 460, 80, 270, 270
    last = apart[-1][0]
    exponents = [math.log10(distance) for _, distance in apart]
    low, high = math.floor(min(exponents)), math.ceil(max(exponents))
    points = ' '.join(
        f'{left + width * number / last:.1f},{top + height * (high - exponent) / (high - low):.1f}'
        for (number, _), exponent in zip(apart, exponents))
    yield f'<path d="M{left} {top} V{top + height} H{left + width}" fill="none" stroke="#333"/>'
    yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>'
    for exponent in range(low, high + 1, 3):
        y = top + height * (high - exponent) / (high - low)
        yield text(left - 8, y + 4, f'1e{exponent}', 11, 'end')
    for number in range(0, last + 1, 50):
        yield text(left + width * number / last, top + height + 18, number, 11)
    yield text(left + width / 2, top - 18, 'how far opinions are apart', 14, weight='bold')
    yield text(left + width / 2, top + height + 38, 'round')


def main():
    lines = sys.stdin.read()
    starts = [value for _, value in re.findall(r'agent (\d+) starts with (\S+)', lines)]
    ends = re.findall(r'agent \d+ ends with (\S+) after (\d+) rounds', lines)
    apart = [(int(number), float(distance)) for number, distance in re.findall(r'round (\d+): apart by (\S+)', lines)]
    if not starts or len(starts) != len(ends) or not apart:
        sys.exit('this is not what the example prints')
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 430" font-family="sans-serif" role="img">')
    print('<rect width="760" height="430" fill="white"/>')
    for number, colour in enumerate(COLOURS):
        x = 60 + 120 * number
        print(f'<circle cx="{x}" cy="410" r="7" fill="{colour}"/>')
        print(text(x + 14, 415, f'container {number}', 12, 'start'))
    for line in [*ring(starts, ends), *plot(apart)]:
        print(line)
    print('</svg>')


main()
