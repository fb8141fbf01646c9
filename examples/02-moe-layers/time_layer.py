"""Compiles a layer of the standard library, runs it on random weights and prints its time, GFLOP/s and GB/s, and what
part they are of what one core of this machine can do at that moment.

usage: time_layer.py MODEL [-D axis=N ...] [--tokens 1,4,256] [--entry layer]

Needs routec and route-run on the path, and no packages. Weights are bf16, random within +-1/16, written to a temporary
file of their full size. GFLOP/s counts two operations for each weight of a chosen or shared expert and each token; GB/s
counts the weights of the experts that at least one token chose, read once. Ceilings (test/Perf/GroupedExperts/peaks.c, by
clang or $CC) are the best of runs before and after each layer: products of bf16 where the processor has them, else of
f32, and reading memory in order. Without a compiler or AVX-512 their columns are empty.
"""
import ctypes
import json
import mmap
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\nfailed with %d\n%s%s" % (" ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def noise(count, seed):
    """`count` bf16 numbers: a block of 2^20 random ones, repeated."""
    rng = random.Random(seed)
    block = bytearray()
    for _ in range(min(count, 1 << 20)):
        value = rng.uniform(-0.0625, 0.0625)
        block += struct.pack("<f", value)[2:4]
    return bytes(block * (count * 2 // len(block) + 1))[: count * 2]


def save(path, tensors):
    """Writes (name, dtype, shape) tensors of noise as safetensors."""
    header, at = {}, 0
    for name, dtype, shape in tensors:
        size = (4 if dtype == "F32" else 2)
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for i, (name, dtype, shape) in enumerate(tensors):
            entry = header[name]["data_offsets"]
            count = (entry[1] - entry[0]) // 2
            # An f32 whose upper half is such a bf16 and whose lower half is too is as good a number.
            file.write(noise(count, i % 3))


class Ceilings:
    """GFLOP/s and GB/s of one core; both are 0 where they cannot be measured."""

    def __init__(self, folder):
        library = os.path.join(folder, "peaks.so")
        source = os.path.join(HERE, "../../test/Perf/GroupedExperts/peaks.c")
        compiler = os.environ.get("CC") or shutil.which("clang-22") or "clang"
        command = [compiler, "-O2", "-march=native", "-shared", "-fPIC", source, "-o", library]
        self.peak = self.read = 0.0
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.library = None
            return
        self.library = ctypes.CDLL(library)
        for name in ("peak_f32", "peak_bf16", "read_bandwidth"):
            getattr(self.library, name).restype = ctypes.c_double
        self.memory = mmap.mmap(-1, 1 << 28)
        self.memory.write(bytes(range(256)) * (1 << 20))

    def measure(self):
        if not self.library:
            return
        size = len(self.memory)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for _ in range(5):
            rate = self.library.peak_bf16(ctypes.c_int64(1000000)) or self.library.peak_f32(ctypes.c_int64(1000000))
            self.peak = max(self.peak, rate)
        self.read = max(self.read, self.library.read_bandwidth(ctypes.c_void_p(address), ctypes.c_int64(size)))


def percent(value, ceiling):
    return "%.0f%%" % (100 * value / ceiling) if ceiling else "-"


def option(name, default):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main():
    model = sys.argv[1]
    sizes = [word for i, word in enumerate(sys.argv) if sys.argv[i - 1] == "-D"]
    defines = [word for size in sizes for word in ("-D", size)]
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, model + ".so")
        run("routec", os.path.join(HERE, "../../stdlib/moe", model + ".route"), "-o", library, *defines)
        about = json.loads(run("route-run", library, "--describe", "--json"))
        extent = {axis["name"]: axis["size"] for axis in about["axes"]}
        dtype = {"bf16": "BF16", "f32": "F32"}
        tensors, weights, shared = [], 0, 0
        for param in about["params"]:
            axes = param["axes"]
            shape = [extent[axis] for axis in axes]
            stacked = re.findall(r"\{(\w+)\}", param["tensor"])
            names = [param["tensor"]]
            for axis in stacked:
                names = [name.replace("{%s}" % axis, str(i), 1) for name in names for i in range(extent[axis])]
            for name in names:
                tensors.append((name, dtype[param["element"]], shape[len(stacked) :]))
            count = 1
            for size in shape:
                count *= size
            if param["name"].startswith("experts."):
                weights += count
            elif len(shape) == 2:
                shared += count
        checkpoint = os.path.join(folder, "weights.safetensors")
        states = [(state["tensor"], dtype[state["element"]], [extent[a] for a in state["axes"]]) for state in about["state"] if state.get("tensor")]
        save(checkpoint, tensors + states)
        experts = extent["experts"]
        rank = [extent[name] for name in extent if name.endswith(".rank") and ("p" in name.split("."))][-1]
        print("%s: %d experts, %d chosen, %.2f GB of weights" % (model, experts, rank, os.path.getsize(checkpoint) / 1e9))
        ceilings = Ceilings(folder)
        print("%8s %12s %10s %10s %10s %10s" % ("tokens", "us", "GFLOP/s", "of peak", "GB/s", "of read"))
        for tokens in map(int, option("--tokens", "1,4,64").split(",")):
            inputs = os.path.join(folder, "x.safetensors")
            save(inputs, [("x", "BF16", [tokens, extent["hidden"]])])
            ceilings.measure()
            said = run("route-run", library, "layer", "--inputs", inputs, "--params", checkpoint,
                       "--outputs", os.path.join(folder, "y.safetensors"), "--bench")
            ceilings.measure()
            plan = run("route-run", library, about_router(about), "--inputs", inputs, "--params", checkpoint, "--allow-extra",
                       "--outputs", os.path.join(folder, "plan.safetensors"))
            active = len(chosen(os.path.join(folder, "plan.safetensors"), about_router(about)))
            seconds = float(re.search(r"median ([0-9.e+]+)", said).group(1)) * tokens * 1e-9
            flops = 2.0 * tokens * (rank * weights / experts + shared)
            moved = 2.0 * (active * weights / experts + shared)
            rate, speed = flops / seconds / 1e9, moved / seconds / 1e9
            print("%8d %12.1f %10.1f %10s %10.1f %10s" % (tokens, seconds * 1e6, rate, percent(rate, ceilings.peak),
                                                          speed, percent(speed, ceilings.read)))
        if ceilings.peak:
            print("one core: %.0f GFLOP/s, reads %.1f GB/s" % (ceilings.peak, ceilings.read))


def about_router(about):
    return next(entry["name"] for entry in about["entries"] if entry["kind"] == "router")


def chosen(path, name):
    data = open(path, "rb").read()
    (size,) = struct.unpack_from("<Q", data)
    begin, end = json.loads(data[8 : 8 + size])[name]["data_offsets"]
    return set(struct.unpack("<%di" % ((end - begin) // 4), data[8 + size + begin : 8 + size + end])) - {-1}


main()
