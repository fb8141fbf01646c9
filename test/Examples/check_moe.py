"""Compiles a layer of the standard library at a fixture's size, runs it, and compares with what transformers computed.

usage: check_moe.py MODEL CASE [--interpret]   (MODEL as in stdlib/moe, CASE f32, bf16 or edges)

Choices compare exactly; weights within 4e-6 relative; outputs within 4e-6 (f32) or 2^-5 (bf16) of the root mean square
of y64. examples/02-moe-layers/README.md says why. Only the standard library of Python is used.
"""
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
SIZES = {
    "mixtral": {"experts": 8, "hidden": 32, "inner": 40},
    "qwen3": {"experts": 32, "hidden": 32, "inner": 12},
    "olmoe": {"experts": 16, "hidden": 32, "inner": 20},
    "deepseek_v3": {"experts": 4, "hidden": 32, "inner": 12},
    "gpt_oss": {"experts": 8, "hidden": 36, "inner": 20},
}


def bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def read(path):
    """Tensors of a safetensors file: name -> (dtype, shape, flat list of numbers, raw bytes)."""
    data = open(path, "rb").read()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    codes = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "BF16": "H", "U8": "B"}
    result = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin : 8 + size + end]
        code = codes[entry["dtype"]]
        values = list(struct.unpack("<%d%s" % (len(raw) // struct.calcsize(code), code), raw))
        if entry["dtype"] == "BF16":
            values = [bf16(v) for v in values]
        result[name] = (entry["dtype"], entry["shape"], values, raw)
    return result


def write(path, name, dtype, shape, raw):
    header = json.dumps({name: {"dtype": dtype, "shape": shape, "data_offsets": [0, len(raw)]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + raw)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\nfailed with %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))


def main():
    model, case = sys.argv[1], sys.argv[2]
    interpret = "--interpret" in sys.argv
    fixture = os.path.join(ROOT, "test/Fixtures/moe/%s.%s" % (model, case))
    want = read(fixture + ".io.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        source = open(os.path.join(ROOT, "stdlib/moe/%s.route" % model)).read()
        if case != "bf16":
            source = re.sub(r"\bbf16\b", "f32", source)
        open(at(model + ".route"), "w").write(source)
        sizes = [word for axis, size in SIZES[model].items() for word in ("-D", "%s=%d" % (axis, size))]
        dtype, shape, _, raw = want["x"]
        write(at("x.safetensors"), "x", dtype, shape, raw)
        program = at(model + (".route" if interpret else ".so"))
        if not interpret:
            run("routec", program[:-3] + ".route", "-o", program, *sizes)
        extra = ["--interpret"] + sizes if interpret else []
        got = {}
        for entry in ("gate", "top", "layer"):
            if entry != "layer" and not re.search(r"router %s\(" % entry, source):
                continue
            files = ("--inputs", at("x.safetensors"), "--outputs", at("out.safetensors"))
            params = ("--params", fixture + ".safetensors", "--allow-extra")
            run("route-run", program, entry, *files, *params, *extra)
            got.update(read(at("out.safetensors")))

    router = "top" if "top" in got else "gate"
    bad = 0
    if got[router][2] != want["indices"][2]:
        bad += 1
        print("choices differ:", sum(a != b for a, b in zip(got[router][2], want["indices"][2])), "of", len(want["indices"][2]))
    worst = max(abs(a - b) / max(abs(b), 1e-30) for a, b in zip(got[router + ".weight"][2], want["weights"][2]))
    print("weights within %.2g relative" % worst)
    bad += not worst <= (4e-6 if case != "bf16" else 2**-8)
    y64 = want["y64"][2]
    unit = math.sqrt(sum(v * v for v in y64) / len(y64))
    worst = max(abs(a - b) for a, b in zip(got["layer"][2], y64)) / unit
    print("output within %.2g of its root mean square" % worst)
    bad += not worst <= (4e-6 if case != "bf16" else 2**-5)
    sys.exit("FAILED" if bad else 0)


main()
