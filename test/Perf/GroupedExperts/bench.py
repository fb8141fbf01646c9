# Times a layer of gated experts on one core beside torch's per-expert linear (oneDNN), with floors and correctness from the same run.
# usage: bench.py BUILD_DIR [--shape 128,8,2048,768] [--element bf16|f32] [--tokens 1,4,256] [--reps 9] [--cpu-time]
import argparse, ctypes, mmap, os, statistics, subprocess, sys, tempfile, time

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(__file__))
from layer import layer

torch.set_num_threads(1)
clock = time.perf_counter
here = os.path.dirname(os.path.abspath(__file__))


class MemRef(ctypes.Structure):
    """A strided buffer as MLIR's C interface takes it, of rank up to 5."""
    _fields_ = [("base", ctypes.c_void_p), ("aligned", ctypes.c_void_p), ("offset", ctypes.c_int64),
                ("rest", ctypes.c_int64 * 10)]

    def __init__(self, t):
        super().__init__(t.data_ptr(), t.data_ptr(), 0)
        self.rest = (ctypes.c_int64 * 10)(*t.shape, *t.stride())
        self.keep = t


def huge(shape, dtype):
    """An uninitialised tensor on huge pages, for every contestant alike."""
    count = 1
    for size in shape:
        count *= size
    size = count * torch.empty((), dtype=dtype).element_size()
    memory = mmap.mmap(-1, -(-size // (2 << 20)) * (2 << 20))
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype, count=count).view(shape)


def build(directory, args, E, K, H, I):
    source, obj = f"{directory}/layer.mlir", f"{directory}/layer.o"
    with open(source, "w") as file:
        file.write(layer(E, K, H, I, args.element))
    start = time.perf_counter()
    subprocess.run([f"{args.build}/bin/route-emit", source, "-isa", args.isa, "-o", obj], check=True)
    seconds = time.perf_counter() - start
    subprocess.run(["clang-22", "-O2", "-march=native", "-shared", "-fPIC", f"{here}/peaks.c", obj, "-o",
                    f"{directory}/layer.so"], check=True)
    return ctypes.CDLL(f"{directory}/layer.so"), seconds, os.path.getsize(obj)


def reference(x, idx, w, gate, up, down):
    """The same layer by torch: for each expert that was chosen, three linears on its rows."""
    out = torch.zeros(x.shape, dtype=torch.float32)
    for e in torch.unique(idx).tolist():
        token, rank = torch.where(idx == e)
        rows = x[token]
        h = F.silu(F.linear(rows, gate[e])) * F.linear(rows, up[e])
        out.index_add_(0, token, F.linear(h, down[e]).float() * w[token, rank, None])
    return out.to(x.dtype)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--shape", default="128,8,2048,768")
    parser.add_argument("--element", default="bf16")
    parser.add_argument("--isa", default="host")
    parser.add_argument("--tokens", default="1,2,4,16,64,256")
    parser.add_argument("--reps", type=int, default=9)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--cpu-time", action="store_true", help="time of this thread, on a machine that others use")
    args = parser.parse_args()
    global clock
    clock = time.thread_time if args.cpu_time else time.perf_counter
    E, K, H, I = map(int, args.shape.split(","))
    dtype = torch.bfloat16 if args.element == "bf16" else torch.float32
    size = 2 if args.element == "bf16" else 4
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as directory:
        lib, seconds, length = build(directory, args, E, K, H, I)
    for name in ("peak_f32", "peak_bf16", "read_bandwidth"):
        getattr(lib, name).restype = ctypes.c_double

    def weights(n, k):
        w = huge((E, n, k), dtype)
        for e in range(E):
            w[e] = torch.randn(n, k) / k**0.5
        return w

    gate, up, down = weights(I, H), weights(I, H), weights(H, I)
    start = clock()
    panels = []
    for w, function in ((gate, lib._mlir_ciface_pack_in), (up, lib._mlir_ciface_pack_in),
                        (down, lib._mlir_ciface_pack_out)):
        n, k = w.shape[1:]
        shape = (E, -(-n // 16), -(-k // 2), 16, 2) if size == 2 else (E, -(-n // 16), k, 16)
        panels.append(huge(shape, dtype))
        function(ctypes.byref(MemRef(w)), ctypes.byref(MemRef(panels[-1])))
    packing = clock() - start

    def ceilings():
        rate = lib.peak_bf16 if size == 2 else lib.peak_f32
        return (max(rate(ctypes.c_int64(2_000_000)) for _ in range(5)),
                lib.read_bandwidth(ctypes.c_void_p(gate.data_ptr()), ctypes.c_int64(gate.numel() * size)))

    print(f"E={E} K={K} H={H} I={I} {args.element} isa={args.isa}: compiled in {seconds:.2f} s, {length} bytes, "
          f"weights packed in {packing:.2f} s")
    print("tokens    ours ms (min)   torch ms (min)   torch/ours   floor ms   %floor   GFLOP/s  %peak    GB/s  %read   max error")
    for T in map(int, args.tokens.split(",")):
        M = T * K
        buffers = [huge((E,), torch.int32), huge((E + 1,), torch.int32), huge((M,), torch.int32),
                   huge((T, K), torch.int32), huge((M, H), dtype), huge((M, I), dtype), huge((M, H), torch.float32),
                   huge((T, H), dtype)]
        ours, theirs, peaks, reads, actives = [], [], [], [], []
        error = 0.0
        for rep in range(args.reps):
            x = torch.randn(T, H).to(dtype)
            idx = torch.rand(T, E).topk(K).indices
            w = torch.softmax(torch.randn(T, K), -1)
            refs = [MemRef(t) for t in [x, idx.to(torch.int32), w, *panels, *buffers]]
            pointers = [ctypes.byref(r) for r in refs]
            buffers[-1].fill_(float("nan"))
            start = clock()
            lib._mlir_ciface_layer(*pointers)
            ours.append(clock() - start)
            if not args.no_peer:
                start = clock()
                expected = reference(x, idx, w, gate, up, down)
                theirs.append(clock() - start)
                error = max(error, (buffers[-1].float() - expected.float()).abs().max().item())
            peak, read = ceilings()
            peaks.append(peak)
            reads.append(read)
            actives.append(torch.unique(idx).numel())
        flops = 6.0 * T * K * H * I
        moved = [n * 3 * H * I * size + T * K * (3 * H + 2 * I) * size + 2 * T * H * size for n in actives]
        # Each run is held against the ceilings measured right after it.
        floors = [max(flops / p, m / r) / 1e9 for m, p, r in zip(moved, peaks, reads)]
        mid, low = statistics.median(ours), min(ours)
        tmid, tlow = (statistics.median(theirs), min(theirs)) if theirs else (float("nan"),) * 2
        middle = statistics.median
        print(f"{T:6d} {mid*1e3:9.3f} ({low*1e3:8.3f}) {tmid*1e3:9.3f} ({tlow*1e3:8.3f}) {tmid/mid:10.2f} {middle(floors)*1e3:10.3f}"
              f" {100*middle(f/o for f, o in zip(floors, ours)):8.0f} {flops/mid/1e9:9.0f}"
              f" {100*middle(flops/o/1e9/p for o, p in zip(ours, peaks)):6.0f} {middle(moved)/mid/1e9:7.1f}"
              f" {100*middle(m/o/1e9/r for m, o, r in zip(moved, ours, reads)):6.0f} {error:11.2e}"
              f"  (peak {middle(peaks):.0f} GFLOP/s, read {middle(reads):.1f} GB/s)")


main()
