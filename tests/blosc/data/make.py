"""Write the frames in this folder with python-blosc.

    python3 make.py          with all compressors that this python-blosc has
    python3 make.py snappy   only with this one

The wheels on PyPI have no Snappy; Debian's python3-blosc has. Each frame contains `data(kind)`, which
tests/files.rs computes as well.

"""
import os
import struct
import sys

import blosc

KINDS = {
    'numbers': lambda: b''.join(struct.pack('<d', (i % 97) * 0.25) for i in range(300)),
    'text': lambda: b'{"path": "agent/%d", "args": [1, 2.5, null]}' * 40,
    'bytes': lambda: bytes(i * i >> 3 & 255 for i in range(3001)),
}
# Name, shuffle, type size, level
WAYS = [
    ('none-8-9', blosc.NOSHUFFLE, 8, 9),
    ('byte-8-9', blosc.SHUFFLE, 8, 9),
    ('bit-8-9', blosc.BITSHUFFLE, 8, 9),
    ('byte-3-1', blosc.SHUFFLE, 3, 1),
]

blosc.set_nthreads(1)
folder = os.path.dirname(os.path.abspath(__file__))
for cname in sys.argv[1:] or blosc.compressor_list():
    for kind, make in KINDS.items():
        for way, shuffle, typesize, clevel in WAYS:
            frame = blosc.compress(make(), typesize, clevel, shuffle, cname)
            with open(os.path.join(folder, f'{cname}-{kind}-{way}.blosc'), 'wb') as file:
                file.write(frame)
