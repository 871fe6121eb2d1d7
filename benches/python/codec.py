"""Measures the codecs of aiomas in Python: ``codec.py SECONDS`` reads numbers from standard input.

Prints ``{NAME: SECONDS, ...}``, the best time of many runs each.
"""
import json
import struct
import sys
import time

import blosc
import msgpack


def best(seconds, run, *args):
    end, least = time.perf_counter() + seconds, float('inf')
    while True:
        begin = time.perf_counter()
        run(*args)
        now = time.perf_counter()
        least = min(least, now - begin)
        if now >= end:
            return least


def main(seconds):
    blosc.set_nthreads(1)
    data = sys.stdin.buffer.read()
    numbers = list(struct.unpack(f'<{len(data) // 8}d', data))
    bin, array = msgpack.packb(data), msgpack.packb(numbers)
    text, compressed = json.dumps(numbers), blosc.compress(data)
    print(json.dumps({
        'bin-encode': best(seconds, msgpack.packb, data),
        'bin-decode': best(seconds, msgpack.unpackb, bin),
        'list-encode': best(seconds, msgpack.packb, numbers),
        'list-decode': best(seconds, msgpack.unpackb, array),
        'json-encode': best(seconds, json.dumps, numbers),
        'json-decode': best(seconds, json.loads, text),
        'blosc-compress': best(seconds, blosc.compress, data),
        'blosc-decompress': best(seconds, blosc.decompress, compressed),
    }))


if __name__ == '__main__':
    main(float(sys.argv[1]))
