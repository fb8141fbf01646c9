"""Routers on a GPU against the same library on the CPU, bit for bit, and timed beside SGLang's kernel.

    python3 routers.py LIBRARIES [--only NAMES] [--tokens NUMBERS] [--bench] [--peers FOLDER] [--bandwidth B] [--rate R]

LIBRARIES is a folder that make_routers.py filled; of it some are checked, as in `--only softmax-8-2,top-p-64`, or all. So are
batches of those sizes, as in `--tokens 1,33`, or of very few to very many. Inputs hold ties, signed zeros, NaN, infinities and denormals.
--peers: a folder with sgl_gate.py, the file sglang/kernels/ops/moe/moe_fused_gate.py of the sglang package without the
package's own imports. --bandwidth and --rate: as test/Perf/CUDA/measure.py has them, which measures them otherwise, once at the start
of --bench; its folder is on PYTHONPATH or, in the repository, found from here.
"""

import argparse
import glob
import json
import os
import statistics
import sys

import torch

from device import Library, same_bits

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../Perf/CUDA"))
from measure import Floor, floor_options


def logits(tokens, experts, kind, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(tokens, experts, generator=g)
    if kind == "ties":
        x = torch.round(x * 2) / 2
    elif kind == "special":
        special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-42, -1e-42, 88.0, -104.0])
        pick = torch.randint(0, 3 * len(special), x.shape, generator=g)
        x = torch.where(pick < len(special), special[pick.clamp(max=len(special) - 1)], x)
    elif kind == "equal":
        x = torch.full_like(x, 0.25)
    return x


def check(folder, only, sizes):
    specs = [os.path.join(folder, name + ".json") for name in only] or sorted(glob.glob(os.path.join(folder, "*.json")))
    failures = 0 if specs else 1
    for spec in specs:
        with open(spec) as file:
            info = json.load(file)
        files = [spec[:-5] + ".safetensors"] if info["params"] else []
        library = Library(spec[:-5] + ".so", files)
        bad = []
        # Where experts choose, an expert's candidates are the batch: beyond 8192 they fit no shared memory.
        for tokens in sizes or [0, 1, 3, 33, 257, 4096] + ([] if info.get("token_choice", True) else [9001]):
            for kind in ("random", "ties", "special", "equal"):
                x = logits(tokens, info["experts"], kind, tokens + 7)
                host = library.call("gate", {"logits": x.to(info_type(info))}, "cpu")()
                call = library.call("gate", {"logits": x.to(info_type(info)).cuda()}, "cuda")
                call.poison()
                device = call()
                torch.cuda.synchronize()
                bad += [f"{kind} T={tokens} {name}" for name in host if not same_bits(host[name], device[name])]
        print(f"{'FAIL' if bad else 'ok  '} {info['name']:24s} {' | '.join(bad[:4])}", flush=True)
        failures += bool(bad)
    return failures


def info_type(info):
    return {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[info["type"]]


def timed(run, copies):
    """Microseconds of one run, from replays of a graph that holds `copies` of them on inputs of their own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for i in range(copies):
            run(i)
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(copies):
            run(i)
    times = []
    for _ in range(40):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1e3 / copies)
    return statistics.median(times[5:])


def bench(folder, peers, floor):
    gate = None
    if peers:
        sys.path.insert(0, peers)
        import sgl_gate as gate
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    print("sglang has no experts that choose; there, compile is topk of the scores' transpose")
    print(f"{'router':24s} {'T':>6s} {'ours':>8s} {'sglang':>8s} {'+pdl':>8s} {'compile':>8s} {'floor':>8s}   us")
    for spec in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(spec) as file:
            info = json.load(file)
        if not info.get("bench"):
            continue
        E, k = info["experts"], info["k"]
        files = [spec[:-5] + ".safetensors"] if info["params"] else []
        library = Library(spec[:-5] + ".so", files)
        token_choice = info.get("token_choice", True)
        for T in (1, 256, 8192) if token_choice else (2048, 8192):
            copies = 24
            xs = [torch.randn(T, E, device="cuda").to(info_type(info)) for _ in range(copies)]
            calls = [library.call("gate", {"logits": x}, "cuda") for x in xs]
            row = [timed(lambda i: calls[i](), copies)]
            bias = torch.zeros(E, device="cuda")
            groups = info.get("groups", 1)
            sigmoid = info["score"] == "sigmoid"

            def peer(i):
                return gate.moe_fused_gate(xs[i], bias, k, info["score"], num_expert_group=groups,
                                           topk_group=info.get("open", 1))

            for pdl in (False, True):
                if not token_choice:
                    row.append(float("nan"))
                    continue
                try:
                    gate.PDL = pdl
                    row.append(timed(peer, copies))
                except Exception as error:  # a peer that does not run is no failure of ours
                    print("   peer:", str(error).splitlines()[0][:100])
                    row.append(float("nan"))

            def plain(x):
                s = torch.sigmoid(x.float()) if sigmoid else torch.softmax(x.float(), -1)
                if not token_choice:
                    best = s.t().topk(k, -1)
                    return best.indices.int(), best.values
                key = s
                if groups > 1:
                    best = s.view(T, groups, -1).topk(2, -1).values.sum(-1)
                    keep = torch.zeros_like(best).scatter_(1, best.topk(info["open"], -1).indices, 1.0)
                    key = s.masked_fill(keep.repeat_interleave(E // groups, 1) == 0, float("-inf"))
                i = key.topk(k, -1).indices
                w = s.gather(1, i)
                return i.int(), w / w.sum(-1, keepdim=True)

            try:
                compiled = torch.compile(plain, dynamic=False)
                row.append(timed(lambda i: compiled(xs[i]), copies))
            except Exception as error:
                print("   compile:", str(error).splitlines()[0][:100])
                row.append(float("nan"))
            size = 4 if info["type"] == "f32" else 2
            row.append(floor(T * E * size + (T if token_choice else E) * k * 8, 0))
            print(f"{info['name']:24s} {T:6d} " + " ".join(f"{t:8.2f}" for t in row), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries")
    parser.add_argument("--only", type=lambda names: names.split(","), default=[])
    parser.add_argument("--tokens", type=lambda sizes: [int(size) for size in sizes.split(",")])
    parser.add_argument("--bench", action="store_true")
    parser.add_argument("--peers")
    floor_options(parser)
    options = parser.parse_args()
    failures = check(options.libraries, options.only, options.tokens)
    if options.bench:
        bench(options.libraries, options.peers, Floor(options))
    sys.exit(1 if failures else 0)
