#!/usr/bin/env python3
"""Makes and prints safetensors files for tests, with the standard library only.

    safetensors.py make OUT < {"name": ["F32", [2, 2], [1, 2, 3, 4]], ...}
    safetensors.py show FILE
"""
import json
import struct
import sys

FORMATS = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "U8": "B", "U32": "I", "U64": "Q", "BOOL": "?", "BF16": "H"}


def make(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        if dtype == "BF16":  # given as numbers that bf16 holds exactly
            values = [struct.unpack("<I", struct.pack("<f", v))[0] >> 16 for v in values]
        packed = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def show(path):
    with open(path, "rb") as file:
        blob = file.read()
    size = struct.unpack("<Q", blob[:8])[0]
    header = json.loads(blob[8 : 8 + size])
    for name in sorted(header):
        item = header[name]
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in item["data_offsets"])
        count = (end - begin) // struct.calcsize(FORMATS[item["dtype"]])
        values = struct.unpack(f"<{count}{FORMATS[item['dtype']]}", blob[begin:end])
        if item["dtype"] == "BF16":
            values = [struct.unpack("<f", struct.pack("<I", v << 16))[0] for v in values]
        print(name, item["dtype"], item["shape"], " ".join(format(v, "g") if isinstance(v, float) else str(int(v)) for v in values))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], json.load(sys.stdin))
    else:
        show(sys.argv[2])
