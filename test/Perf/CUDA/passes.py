"""What each pass for GPUs brings: whole layers compiled with and without it, timed in one run.

    python3 passes.py make ROUTEC FOLDER    # compiles the layers; needs no GPU
    python3 passes.py run FOLDER [--tokens 1,32,512,8192]

A layer is a router with its product (softmax of the best) and gated experts, or such a router alone, of f32 and with a bias, by
high and low parts of bf16, or the chances of all experts by their logits. For each pass the layer that it is for, without it and with it: graphs over several sets of inputs, replayed in random
order, medians in microseconds. Both must give the same results but for rounding, or the line ends with WRONG.

`run` needs torch, and libroute_rt.so named by $ROUTE_RUNTIME.
"""

import os
import subprocess

import command
from measure import capture, medians

SOURCE = """axis token, hidden = {H}, inner = {I}, half {{ gate, up }}
signal x: {type}[token, hidden]
pool experts[{E}] {{
{experts}
}}
router gate(x) {{
  param w: {type}[experts, hidden] from "w"
  let l: {type} = x @ w
  let s = softmax(l over experts)
  return choose {K} of experts per token by s weight s / sum(s over chosen): {type}
}}
route layer(x) -> {type}[token, hidden] = combine(gate(x), experts(x))
"""
EXPERTS = """  param gate_up: {type}[{gate_up}] from "gate_up"
  param down: {type}[{down}] from "down"
  route run(x) -> {type}[hidden] {{
    let h = x @ gate_up
    let a: {type} = silu(h.gate) * h.up
    return a @ down
  }}"""
GATE = """axis token, hidden = {H}
signal x: {type}[token, hidden]
pool experts[{E}]
router layer(x) {{
  param w: f32[experts, hidden] from "w"
  param bias: {type}[experts] from "bias"
  let l = x @ w + bias
  return choose {K} of experts per token by l weight softmax(l over chosen)
}}
"""
CHANCES = """axis token, hidden = {H}
signal x: {type}[token, hidden]
route layer(x) -> {type}[token, hidden] = softmax(x over hidden)
"""
PLAIN = dict(gate_up="(half, inner), hidden", down="hidden, inner")
TURNS = dict(gate_up="hidden, (inner, half)", down="inner, hidden")
LAYERS = {  # experts, chosen, hidden, inner, type, matrices
    "qwen3": (128, 8, 2048, 768, "bf16", PLAIN),
    "turns32": (32, 4, 2880, 2880, "bf16", TURNS),
    "half": (128, 8, 2048, 768, "f16", PLAIN),
    "gate": (32, 4, 2880, 0, "bf16", {}),  # gpt-oss's, with no experts
    "chances": (0, 0, 128, 0, "f32", {}),
}
PASSES = {  # the layer each is for
    "ragged-fuse-router": "qwen3",
    "ragged-fuse-order": "qwen3",
    "ragged-fuse-gather": "qwen3",
    "ragged-await-experts": "qwen3",
    "ragged-spread-gather": "qwen3",
    "ragged-split-epilogues": "qwen3",
    "ragged-narrow-results": "qwen3",
    "ragged-fuse-slots": "qwen3",
    "row-fuse-consumers": "chances",
    "convert-ragged-to-wgmma": "qwen3",
    "ragged-join-interleaved": "turns32",
    "ragged-narrow-products": "half",
    "route-prepare-parameters": "gate",
}
OFF = {"ragged-split-epilogues"}  # those that only run when asked to


def make(routec, folder):
    os.makedirs(folder, exist_ok=True)
    for name, (E, K, H, I, kind, matrices) in LAYERS.items():
        source = os.path.join(folder, name + ".route")
        with open(source, "w") as file:
            experts = EXPERTS.format(type=kind, **matrices) if matrices else ""
            file.write((SOURCE if matrices else GATE if E else CHANCES).format(E=E, K=K, H=H, I=I, type=kind, experts=experts))
        precision = "f32" if matrices or not E else "split-bf16"
        compile = [routec, "--target=cpu,cuda", "--cpu=v3", "--gate-precision=" + precision, source, "-o"]
        subprocess.run([*compile, os.path.join(folder, name + ".so")], check=True)
        for each in (p for p, layer in PASSES.items() if layer == name):
            flag = ("--enable-pass=" if each in OFF else "--disable-pass=") + each
            # Products that leave the tensor cores say so.
            subprocess.run([*compile, os.path.join(folder, f"{name}-{each}.so"), flag], check=True,
                           stderr=subprocess.DEVNULL)


def tensors(E, H, I, dtype, matrices):
    import torch
    g = torch.Generator("cuda").manual_seed(1)

    def normal(*shape, scale, dtype=dtype):
        return torch.empty(*shape, dtype=dtype, device="cuda").normal_(0, scale, generator=g)

    if not E:
        return {}
    if not matrices:
        return {"layer.w": normal(E, H, scale=H ** -0.5, dtype=torch.float32), "layer.bias": normal(E, scale=0.1)}
    up, down = ((E, H, 2 * I), (E, I, H)) if matrices is TURNS else ((E, 2 * I, H), (E, H, I))
    return {"experts.gate_up": normal(*up, scale=H ** -0.5), "experts.down": normal(*down, scale=I ** -0.5),
            "gate.w": normal(E, H, scale=H ** -0.5)}


def run(options):
    import torch
    from device import Library
    wrong = 0
    for name, (E, K, H, I, kind, matrices) in LAYERS.items():
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[kind]
        params = tensors(E, H, I, dtype, matrices)
        passes = [p for p, layer in PASSES.items() if layer == name]
        libraries = {p: Library(os.path.join(options.folder, f"{name}{'-' + p if p else ''}.so"), tensors=params)
                     for p in ("", *passes)}
        for T in map(int, options.tokens.split(",")):
            copies = max(1, min(8, 8192 // T))
            xs = [torch.randn(T, H, device="cuda").to(dtype) for _ in range(copies)]
            graphs, results = {}, {}
            for each, library in libraries.items():
                if each == "convert-ragged-to-wgmma" and T > 512:
                    continue  # seconds
                results[each] = [library.call("layer", {"x": x}, "cuda") for x in xs]
                for call in results[each]:
                    call.poison()
                graphs[each], _ = capture(lambda call: call(), [(call,) for call in results[each]])
            times = medians(graphs, copies, options.seconds * len(graphs) / 4)
            base = times[""]
            output = "layer" if matrices or not E else "layer.weight"
            whole = results[""][-1].outputs[output].float()
            for each in passes:
                if each not in times:
                    continue
                other = results[each][-1].outputs[output].float()
                apart = float((whole - other).norm() / whole.norm())
                with_it, without = base, times[each]
                if each in OFF:
                    with_it, without = without, with_it
                bad = not apart < 2e-2
                wrong += bad
                print(f"{each:24s} {name:8s} T={T:<6d} without {without:9.1f} with {with_it:9.1f} us, "
                      f"apart {apart:.1e}{'   WRONG' if bad else ''}", flush=True)
    return wrong


if __name__ == "__main__":
    parser, options = command.parser(__doc__)
    options.add_argument("--tokens", default="1,32,512,8192")
    options.add_argument("--seconds", type=float, default=0.6, help="of replays, for every four forms")
    command.main(parser, make, run)
