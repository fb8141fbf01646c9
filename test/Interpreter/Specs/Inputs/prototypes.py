"""Writes a safetensors file of f32 prototypes: prototypes.py FILE name=x,y,... ..."""
import json
import struct
import sys

header, data = {}, b""
for entry in sys.argv[2:]:
    name, values = entry.split("=")
    row = struct.pack(f"<{values.count(',') + 1}f", *map(float, values.split(",")))
    header[name] = {"dtype": "F32", "shape": [len(row) // 4], "data_offsets": [len(data), len(data) + len(row)]}
    data += row
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
