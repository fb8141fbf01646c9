"""Compiles a spec and compares the library with the interpreter on random inputs with ties, NaN and empty parents.

usage: compare.py SPEC.route CASES.json

CASES has `define` (sizes for -D), `params` and `inputs` (name: [dtype, shape], a shape's letters standing for sizes),
`offsets` (axis: [parents, children], letters) and `sizes`, a list of letter: number for each run. Plans and integers must
be equal, floats equal but for the order of products' sums: within 1e-5 of the largest (bf16: a rounding). Only the standard
library is used.
"""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

CODES = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "BF16": "H", "U8": "B", "U32": "I", "BOOL": "?"}


def write(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        raw = struct.pack("<%d%s" % (len(values), CODES[dtype]), *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


def read(path):
    data = open(path, "rb").read()
    (size,) = struct.unpack_from("<Q", data)
    result = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin : 8 + size + end]
        code = CODES[entry["dtype"]]
        values = list(struct.unpack("<%d%s" % (len(raw) // struct.calcsize(code), code), raw))
        if entry["dtype"] == "BF16":
            values = [struct.unpack("<f", struct.pack("<I", v << 16))[0] for v in values]
        result[name] = (entry["dtype"], entry["shape"], values)
    return result


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\nfailed with %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def draw(dtype, count, parameter):
    if dtype == "F32":
        pick = lambda: random.choice([random.randint(-4, 4) / 4, random.uniform(-1, 1)])
        values = [pick() for _ in range(count)]
        if not parameter and count and random.random() < 0.3:
            values[random.randrange(count)] = float("nan")
        return values
    if dtype == "BF16":
        return [struct.unpack("<I", struct.pack("<f", random.randint(-8, 8) / 8))[0] >> 16 for _ in range(count)]
    return [random.randint(0, 5) for _ in range(count)]


def product(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def numbers(text):
    return [float(v) if v != "true" and v != "false" else float(v == "true") for v in re.findall(r"[-+]?(?:nan|inf|[\d.]+(?:e[-+]?\d+)?)|true|false", text)]


def interpreted(line):
    """A line of route-interp as ("plan", pairs) or ("array", numbers)."""
    value = line.split(": ", 1)[1]
    if value.startswith("plan "):
        body = value[value.index("{") + 1 : value.rindex("}")]
        return "plan", [(tuple(int(v) for v in re.findall(r"\d+", a)), int(b)) for a, b in re.findall(r"\(([^)]*)\) -> (\d+)", body)]
    return "array", numbers(value.split(": ", 1)[1] if ": " in value else value)


def compiled(outputs):
    """What the outputs of an entry say, in order, rows that are missing left out."""
    result, rows = [], {}
    for name, (dtype, shape, values) in outputs.items():
        if name.endswith(".count"):
            continue
        if name + ".count" in outputs:
            width = max(shape[-1], 1)
            pairs = []
            for i, chosen in enumerate(values):
                if chosen < 0:
                    continue
                items, at = i // width, []
                for size in reversed(shape[:-1]):
                    at.insert(0, items % size)
                    items //= size
                pairs.append((tuple(at), chosen))
            rows[tuple(shape)] = [i for i, chosen in enumerate(values) if chosen >= 0]
            result.append(("plan", pairs))
            continue
        kept = rows.get(tuple(shape))
        rounding = 2**-7 if dtype == "BF16" else 1e-5
        result.append(("array", [float(v) for v in (values if kept is None else [values[i] for i in kept])], rounding))
    return result


def same(a, b, rounding):
    if len(a) != len(b):
        return False
    scale = max([abs(v) for v in b if v == v and abs(v) != float("inf")] + [1e-30])
    return all(x == y or (x != x and y != y) or abs(x - y) <= rounding * scale for x, y in zip(a, b))


def main():
    spec, cases = sys.argv[1], json.load(open(sys.argv[2]))
    defines = [word for axis, size in cases.get("define", {}).items() for word in ("-D", "%s=%d" % (axis, size))]
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        # Of the levels only the one that runs here: the rest is most of the time.
        run("routec", "--cpu=host", spec, "-o", at("spec.so"), *defines)
        checked = 0
        for seed, sizes in enumerate(cases["sizes"]):
            random.seed(seed)
            shape_of = lambda shape: [sizes.get(s, s) for s in shape]
            tensors = lambda table, parameter: {
                name: (dtype, shape_of(shape), draw(dtype, product(shape_of(shape)), parameter)) for name, (dtype, shape) in table.items()
            }
            write(at("p.safetensors"), tensors(cases.get("params", {}), True))
            inputs = tensors(cases["inputs"], False)
            for axis, (parents, children) in cases.get("offsets", {}).items():
                cuts = sorted(random.randint(0, sizes[children]) for _ in range(sizes[parents] - 1))
                inputs[axis + ".offsets"] = ("I32", [sizes[parents] + 1], [0] + cuts + [sizes[children]])
            for entry, names in cases["entries"].items():
                write(at("i.safetensors"), {n: t for n, t in inputs.items() if n in names or n.endswith(".offsets")})
                want = run("route-interp", spec, "--entry=" + entry, "--params=" + at("p.safetensors"), "--tensors=" + at("i.safetensors"), *["-D%s=%d" % d for d in cases.get("define", {}).items()])
                want = [interpreted(line) for line in want.strip().split("\n")]
                # A library calls columns by their own names.
                own = lambda n: n if n.endswith(".offsets") else n.split(".")[-1]
                used = {own(n): t for n, t in inputs.items() if n in names}
                write(at("i.safetensors"), used)
                params = ("--params", at("p.safetensors"), "--allow-extra") if cases.get("params") else ()
                run("route-run", at("spec.so"), entry, "--inputs", at("i.safetensors"), "--outputs", at("o.safetensors"), *params)
                got = compiled(read(at("o.safetensors")))
                if len(got) != len(want):
                    sys.exit("%s: %d results, expected %d" % (entry, len(got), len(want)))
                # A file has its tensors in an order of its own: each result finds its equal.
                for number, w in enumerate(want):
                    agrees = lambda g: g[0] == w[0] and (g == w if g[0] == "plan" else same(g[1], w[1], g[2]))
                    found = next((g for g in got if agrees(g)), None)
                    if not found:
                        sys.exit("%s, run %d, result %d: the interpreter gives\n%s\nthe library\n%s" % (entry, seed, number, w, got))
                    got.remove(found)
                    checked += 1
        print("%d results agree" % checked)


if __name__ == "__main__":
    main()
