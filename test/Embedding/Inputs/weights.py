"""Writes the checkpoint of layer.route: small whole numbers, so that every sum is exact.

usage: weights.py FILE
"""
import json
import struct
import sys

EXPERTS, HIDDEN, INNER = 6, 8, 4
tensors = {"gate": ([EXPERTS, HIDDEN], lambda e, h: (e * 5 + h * 3) % 7 - 3)}
for i in range(EXPERTS):
    tensors[f"experts.{i}.up"] = ([INNER, HIDDEN], lambda r, c, i=i: (i + r * 2 + c) % 5 - 2)
    tensors[f"experts.{i}.down"] = ([HIDDEN, INNER], lambda r, c, i=i: (i + r + c * 3) % 5 - 2)
header, data = {}, b""
for name, (shape, value) in tensors.items():
    numbers = [float(value(r, c)) for r in range(shape[0]) for c in range(shape[1])]
    bytes_ = struct.pack(f"<{len(numbers)}f", *numbers)
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(bytes_)]}
    data += bytes_
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
