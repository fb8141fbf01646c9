"""Compiles layers of the standard library at small sizes, with random checkpoints: make_layers.py ROUTEC STDLIB FOLDER.

Needs no GPU; layers.py checks them.
"""

import json
import os
import random
import struct
import subprocess
import sys

LAYERS = {
    "qwen3": dict(sizes=dict(experts=16, hidden=512, inner=256), gate="mlp.gate.weight",
                  experts=[("mlp.experts.{}.gate_proj.weight", "inner", "hidden"),
                           ("mlp.experts.{}.up_proj.weight", "inner", "hidden"),
                           ("mlp.experts.{}.down_proj.weight", "hidden", "inner")]),
    "mixtral": dict(sizes=dict(experts=8, hidden=264, inner=136), gate="block_sparse_moe.gate.weight",
                    experts=[("block_sparse_moe.experts.{}.w1.weight", "inner", "hidden"),
                             ("block_sparse_moe.experts.{}.w3.weight", "inner", "hidden"),
                             ("block_sparse_moe.experts.{}.w2.weight", "hidden", "inner")]),
}


def bf16(values):
    return b"".join(struct.pack("<f", v)[2:] for v in values)


def write_checkpoint(path, layer):
    sizes, rng, header, data = layer["sizes"], random.Random(5), {}, b""
    tensors = [(layer["gate"], "experts", "hidden")]
    tensors += [(name.format(e), a, b) for e in range(sizes["experts"]) for name, a, b in layer["experts"]]
    for name, a, b in tensors:
        rows, columns = sizes[a], sizes[b]
        body = bf16(rng.gauss(0, columns ** -0.5 * (3 if a == "experts" else 1)) for _ in range(rows * columns))
        header[name] = {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main(routec, stdlib, folder):
    os.makedirs(folder, exist_ok=True)
    for name, layer in LAYERS.items():
        stem = os.path.join(folder, name)
        defines = [f"-D{axis}={size}" for axis, size in layer["sizes"].items()]
        subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", *defines, os.path.join(stdlib, f"moe/{name}.route"), "-o",
                        stem + ".so"], check=True)
        write_checkpoint(stem + ".safetensors", layer)


if __name__ == "__main__":
    main(*sys.argv[1:])
