"""Compiles a spec, runs an entry on random inputs in the library and in the interpreter, and compares.

usage: check_spec.py SPEC ENTRY[,ENTRY].. [-D AXIS=N].. [--size AXIS=N].. [--below NAME=N].. [--seeds N] [--tolerance X] [--scale X]
                     [--edges]

-D fixes an axis when compiling; --size gives one that the call decides; --below bounds an integer input. Rows of plans
compare exactly. Numbers compare within X of the largest magnitude of their tensor (default 2e-5; 2^-6 where the tensor
is bf16): products may sum in another order than the interpreter's, everything else is the same bits. `--tolerance 0`
wants the same bits of everything. --seeds repeats the run on N inputs; seed and time of the call differ too.

--edges gives inputs whose scores tie, with NaN, infinities, zeros of both signs and denormals among them, in calls of the sizes given, of
1 and of 0. What is finite is a small multiple of 1/2, so that products and sums of them are the same in any order, and numbers compare
each within X of its own magnitude (default 2e-6; 2^-7 where the tensor is bf16); NaN and infinities stand where the interpreter has
them. Only Python's standard library is used.
"""
import argparse
import itertools
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

CODES = {"f32": ("F32", "f"), "f64": ("F64", "d"), "i32": ("I32", "i"), "i64": ("I64", "q"), "u32": ("U32", "I"),
         "u64": ("U64", "Q"), "u8": ("U8", "B"), "i8": ("I8", "b"), "bool": ("BOOL", "B"), "bf16": ("BF16", "H"),
         "f16": ("F16", "e")}
# NaN, infinities, denormals and the least normal numbers.
ODD = {element: [math.nan, math.inf, -math.inf, least, -least / 4, least / 8] for element, least in
       (("f32", 2.0**-126), ("bf16", 2.0**-126), ("f64", 2.0**-1022), ("f16", 2.0**-14))}
BY_DTYPE = {dtype: code for dtype, code in CODES.values()}


def to_bf16(value):
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def from_bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def write(path, tensors):
    """tensors: name -> (element, shape, flat values)."""
    header, blobs, at = {}, [], 0
    for name, (element, shape, values) in tensors.items():
        dtype, code = CODES[element]
        if element == "bf16":
            values = [to_bf16(v) for v in values]
        raw = struct.pack("<%d%s" % (len(values), code), *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    data = open(path, "rb").read()
    (size,) = struct.unpack_from("<Q", data)
    result = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw, code = data[8 + size + begin : 8 + size + end], BY_DTYPE[entry["dtype"]]
        values = list(struct.unpack("<%d%s" % (len(raw) // struct.calcsize(code), code), raw))
        if entry["dtype"] == "BF16":
            values = [from_bf16(v) for v in values]
        result[name] = (entry["dtype"], entry["shape"], values)
    return result


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\nfailed with %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def sizes_of(pairs):
    return {name: int(size) for name, size in (pair.split("=") for pair in pairs)}


class Generator:
    def __init__(self, described, args, seed):
        self.random = random.Random(seed)
        self.sizes = {axis["name"]: axis["size"] for axis in described["axes"]}
        self.members = {axis["name"]: axis.get("members") for axis in described["axes"]}
        self.sizes.update(sizes_of(args.size))
        self.below = sizes_of(args.below)
        self.scale = args.scale
        self.edges = args.edges

    def shape(self, axes):
        for axis in axes:
            if self.sizes[axis] < 0:
                sys.exit("axis '%s' needs --size %s=N" % (axis, axis))
        return [self.sizes[axis] for axis in axes]

    def values(self, name, element, shape):
        count = math.prod(shape)
        if element == "bool":
            return [self.random.randrange(2) for _ in range(count)]
        if element in ("f32", "f64", "bf16", "f16") and self.edges:
            return [self.edge(element, count) for _ in range(count)]
        if element in ("f32", "f64", "bf16", "f16"):
            return [self.random.gauss(0, self.scale) for _ in range(count)]
        return [self.random.randrange(self.below.get(name, 4)) for _ in range(count)]

    def edge(self, element, count):
        """A few odd numbers a tensor, so that what they spoil is not everything."""
        if self.random.random() < 2 / (count + 4):
            return self.random.choice(ODD[element])
        return self.random.choice([-1.0, -0.5, 0.0, -0.0, 0.5, 0.5, 1.0, 1.5])

    def stored(self, item):
        """The checkpoint tensors of a parameter or a state cell."""
        axes, stacked = list(item["axes"]), []
        while any(re.search(r"\{%s(\.name)?\}" % re.escape(axis), item["tensor"]) for axis in axes[:1]):
            stacked.append(axes.pop(0))
        for position in itertools.product(*(range(self.sizes[axis]) for axis in stacked)):
            name = item["tensor"]
            for axis, index in zip(stacked, position):
                name = name.replace("{%s}" % axis, str(index))
                if self.members[axis]:
                    name = name.replace("{%s.name}" % axis, self.members[axis][index])
            shape = self.shape(axes)
            if item.get("stored") == "mxfp4":  # 32 numbers of 4 bits share a power of two
                scales = shape[:-1] + [shape[-1] // 32]
                yield name + "_blocks", ("u8", scales + [16], [self.random.randrange(256) for _ in range(math.prod(shape) // 2)])
                yield name + "_scales", ("u8", scales, [self.random.randrange(122, 128) for _ in range(math.prod(scales))])
                continue
            yield name, (item["element"], shape, self.values(item["name"], item["element"], shape))


def flat(text):
    """The numbers of the interpreter's nested brackets."""
    words = re.findall(r"[^\s\[\],]+", text)
    return [{"true": 1, "false": 0}[w] if w in ("true", "false") else float(w) for w in words]


def interpreted(text):
    """name -> ('plan', [(item positions, chosen)]) or ('array', plan axis or None, shape, values, element)."""
    result = {}
    for line in text.splitlines():
        name, _, rest = line.partition(": ")
        if rest.startswith("plan @"):
            axis = re.match(r"plan @(\S+) \{", rest).group(1)
            rows = re.findall(r"\(([^)]*)\) -> (-?\d+)", rest)
            result[name] = ("plan", axis, [([int(p) for p in at.split(",") if p.strip()], int(to)) for at, to in rows])
            continue
        element, _, rest = rest.partition(" ") if " [" in rest.split(": ")[0] else (rest.split(":")[0], "", rest)
        axes = re.findall(r"(?:@(\S+) = )?(\d+)", rest.split("]: ")[0]) if "]: " in rest else []
        values = flat(rest.split(": ", 1)[1])
        result[name] = ("array", axes[0][0] if axes else None, [int(size) for _, size in axes], values, element.rstrip(":"))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("spec")
    parser.add_argument("entry")
    parser.add_argument("-D", action="append", default=[], dest="fixed")
    parser.add_argument("--size", action="append", default=[])
    parser.add_argument("--below", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tolerance", type=float)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--edges", action="store_true")
    parser.add_argument("--keep", help="a folder for the files")
    args = parser.parse_args()
    fixed = [word for pair in args.fixed for word in ("-D", pair)]
    with tempfile.TemporaryDirectory() as folder:
        folder = args.keep or folder
        library = os.path.join(folder, "spec.so")
        run("routec", args.spec, "-o", library, *fixed)
        described = json.loads(run("route-run", library, "--describe", "--json"))
        failed = False
        for name in args.entry.split(","):
            results, bad = 0, []
            calls = [args.size] if not args.edges else [[re.sub("=.*", "=%s" % n, pair) if n is not None else pair
                                                         for pair in args.size] for n in (None, 1, 0)]
            for sizes, seed in itertools.product(calls, range(1, args.seeds + 1)):
                args.size = sizes
                text, got = both(args, name, folder, library, described, fixed, seed)
                bad, count = compare(args, text, got)
                for line in bad:
                    print("%s, seed %d%s: %s" % (name, seed, ", sizes " + ",".join(sizes) if args.edges else "", line))
                results += count - len(bad)
                failed |= bool(bad) or not count
                if bad:
                    break
            if not bad:
                print("%s: %d results agree" % (name, results))
    sys.exit(failed)


def both(args, entry_name, folder, library, described, fixed, number):
    """What the interpreter printed, and the library's tensors, on the inputs of one seed."""
    at = lambda name: os.path.join(folder, name)
    generator = Generator(described, args, number)
    entry = next(e for e in described["entries"] if e["name"] == entry_name)
    inputs, params, told = {}, {}, []
    for port in entry["inputs"]:
        shape = generator.shape(port["axes"])
        if port["role"] == "id":  # how many items there are: the interpreter is told otherwise
            told = [word for pair in args.size for word in ("-D", pair)]
            ids = {port["name"]: (port["element"], shape, list(range(shape[0])))}
            continue
        inputs[port["name"]] = (port["element"], shape, generator.values(port["name"], port["element"], shape))
    for item in described["params"] + [s for s in described["state"] if "tensor" in s]:
        params.update(generator.stored(item))
    # The interpreter knows a column by its axis too; the library's inputs have their own names alone.
    columns = {"%s.%s" % (port["axes"][0], port["name"]): inputs[port["name"]] for port in entry["inputs"] if port["name"] in inputs and port["axes"]}
    write(at("in.safetensors"), {**inputs, **columns})
    write(at("call.safetensors"), {**inputs, **(ids if told else {})})
    write(at("params.safetensors"), params)
    call = ["--seed", str(number), "--now", str(10**9 * number)]
    run("route-run", library, entry_name, "--inputs", at("call.safetensors"), "--outputs", at("out.safetensors"), *call,
        *(["--params", at("params.safetensors")] if params else []))
    text = run("route-interp", args.spec, "--entry=" + entry_name, *fixed, *told, "--tensors=" + at("in.safetensors"),
               *call, *(["--params=" + at("params.safetensors")] if params else []))
    return text, read(at("out.safetensors"))


def compare(args, text, got):
    """Differences, and how many results were compared."""
    want = interpreted(text)
    bad = []
    places = {}  # plan axis -> places of its rows in padded tensors
    for name, value in want.items():
        if value[0] != "plan":
            continue
        _, shape, indices = got[name]
        rows, width = [], shape[-1]
        for place, index in enumerate(indices):
            if index >= 0:
                item, rest = [], place // width
                for extent in reversed(shape[:-1]):
                    item.insert(0, rest % extent)
                    rest //= extent
                rows.append((item, index))
        places[value[1]] = [place for place, index in enumerate(indices) if index >= 0]
        if rows != value[2]:
            differ = [(a, b) for a, b in itertools.zip_longest(rows, value[2]) if a != b]
            bad.append("%s: %d of %d rows differ, first %s, expected %s" % (name, len(differ), len(value[2]), *differ[0]))
    for name, value in want.items():
        if value[0] != "array":
            continue
        _, axis, shape, numbers, element = value
        have = got[name][2]
        if axis in places:
            width = math.prod(shape[1:])
            have = [have[place * width + i] for place in places[axis] for i in range(width)]
        if len(have) != len(numbers):
            bad.append("%s: %d numbers, expected %d" % (name, len(have), len(numbers)))
            continue
        if element in ("f32", "bf16"):  # printed as short as it is told apart
            numbers = [struct.unpack("<f", struct.pack("<f", v))[0] for v in numbers]
        unit = max([abs(v) for v in numbers if math.isfinite(v)] + [1e-30])
        tolerance = args.tolerance
        if tolerance is None:
            tolerance = (2**-7 if element == "bf16" else 2e-6) if args.edges else 2**-6 if element == "bf16" else 2e-5
        worst, where = 0.0, 0
        for i, (a, b) in enumerate(zip(have, numbers)):
            same = a == b or (math.isnan(a) and math.isnan(b))
            scale = max(abs(b), 1e-37) if args.edges else unit
            off = 0.0 if same else abs(a - b) / scale if math.isfinite(a - b) else math.inf
            if off > worst:
                worst, where = off, i
        if not worst <= tolerance:
            bad.append("%s: off by %.3g of %s, allowed %.3g: %r at %d, expected %r"
                       % (name, worst, "it" if args.edges else "the largest", tolerance, have[where], where, numbers[where]))
    return bad, len(want)


main()
