"""Routers with the product before them, on a GPU: choices and weights beside exact logits', and times, in one run.

    python3 gates.py make ROUTEC FOLDER     # compiles the routers; needs no GPU
    python3 gates.py run FOLDER [--tokens 1,16,256] [--shapes qwen3,deepseek_v3]

softmax of the best 8, from bf16 rows and a matrix of bf16 or f32, the latter in all precisions of --gate-precision. A
flipped choice is an expert that a token would not get from the same numbers multiplied and added in f64; of those the rate
among all choices is printed, and how far weights are from those that f64 gives the same choice, of their norm. More than a
form's limit is WRONG, and `run` fails. torch is the product in the matrix's type, and softmax and topk. Graphs are replayed
in random order; the floor (measure.py) is what is read, the matrix and the rows once, or multiplied in bf16.

`run` needs torch, and libroute_rt.so named by $ROUTE_RUNTIME.
"""

import os
import subprocess

import command
from measure import Floor, capture, floor_options, medians

SHAPES = {"qwen3": (128, 2048), "deepseek_v3": (256, 7168)}  # experts, hidden
CHOSEN = 8
FORMS = {  # name: element of the matrix, options of routec, the most of choices that may be flipped, and of weights' error
    "bf16": ("bf16", [], 1e-4, 1e-4),  # products are exact, and sums f32
    "two-launches": ("bf16", ["--disable-pass=ragged-fuse-router"], 1e-4, 1e-4),
    "f32:f32": ("f32", [], 1e-5, 1e-5),
    "f32:bf16": ("f32", ["--gate-precision=bf16"], 1e-2, 1e-2),
    "f32:split-bf16": ("f32", ["--gate-precision=split-bf16"], 1e-4, 1e-4),
    "f32:tf32x3": ("f32", ["--gate-precision=tf32x3"], 1e-4, 1e-4),
}
SOURCE = """axis token, hidden = {H}
signal x: bf16[token, hidden]
pool experts[{E}] {{
  route run(x) -> bf16[hidden] = x
}}
router gate(x) {{
  param w: {element}[experts, hidden] from "w"
  let l = x @ w
  let s = softmax(l over experts)
  return choose {K} of experts per token by s weight s / sum(s over chosen)
}}
"""


def make(routec, folder):
    os.makedirs(folder, exist_ok=True)
    for shape, (E, H) in SHAPES.items():
        for form, (element, flags, *_) in FORMS.items():
            stem = os.path.join(folder, f"{shape}-{form.replace(':', '-')}")
            with open(stem + ".route", "w") as file:
                file.write(SOURCE.format(E=E, H=H, K=CHOSEN, element=element))
            subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", *flags, stem + ".route", "-o", stem + ".so"],
                           check=True)


def beside_exact(chosen, weights, x, w):
    """How many of the chosen experts are none of those that exact logits choose, and the weights' relative error."""
    import torch
    logits, chosen = x.double() @ w.double().T, chosen.long()
    exact = logits.topk(CHOSEN, -1).indices
    want = torch.softmax(logits.gather(1, chosen), -1)
    return (int((chosen.unsqueeze(-1) != exact.unsqueeze(1)).all(-1).sum()),
            float((weights.double() - want).norm() / want.norm()))


def torch_gate(x, w):
    import torch
    s, chosen = torch.softmax((x.to(w.dtype) @ w.T).float(), -1).topk(CHOSEN, -1)
    return s / s.sum(-1, keepdim=True), chosen


def check(name, library, w, most_flipped, most_error):
    """Choices and weights of many rows; whether they are wrong."""
    import torch
    tokens, rounds, flipped, error = 8192, 16, 0, 0.0
    g = torch.Generator("cuda").manual_seed(4)
    x = torch.empty(tokens, w.shape[1], dtype=torch.bfloat16, device="cuda")
    call = library.call("gate", {"x": x}, "cuda")
    for _ in range(rounds):
        x.normal_(generator=g)
        call.poison()
        results = call()
        others, apart = beside_exact(results["gate"], results["gate.weight"], x, w)
        flipped, error = flipped + others, max(error, apart if apart == apart else float("inf"))
    choices = rounds * tokens * CHOSEN
    bad = flipped > most_flipped * choices or error > most_error
    print(f"{name} flipped {flipped} of {choices} choices: {flipped / choices:.2e} of at most {most_flipped:.0e}, weights "
          f"{error:.1e} apart of at most {most_error:.0e}{'   WRONG' if bad else ''}", flush=True)
    return bad


def run(options):
    import torch
    from device import Library
    floor_of, wrong = Floor(options), 0
    g = torch.Generator("cuda").manual_seed(3)
    for shape in options.shapes.split(","):
        E, H = SHAPES[shape]
        exact = torch.empty(E, H, device="cuda").normal_(0, H ** -0.5, generator=g)
        for form, (element, _, *most) in FORMS.items():
            w = exact.to(torch.bfloat16 if element == "bf16" else torch.float32)
            library = Library(os.path.join(options.folder, f"{shape}-{form.replace(':', '-')}.so"), tensors={"gate.w": w})
            name = f"{shape:12s} {form:14s}"
            wrong += check(name, library, w, *most)
            for T in map(int, options.tokens.split(",")):
                copies = 24 if T <= 256 else 6
                xs = [torch.empty(T, H, dtype=torch.bfloat16, device="cuda").normal_(generator=g) for _ in range(copies)]
                calls = [(library.call("gate", {"x": each}, "cuda"),) for each in xs]
                graphs = {"ours": capture(lambda call: call(), calls)[0],
                          "torch": capture(lambda x: torch_gate(x, w), [(x,) for x in xs])[0]}
                times = medians(graphs, copies, options.seconds)
                floor = floor_of((T + E * w.element_size() / 2) * H * 2 + 8 * T * CHOSEN, 2 * T * E * H)
                print(f"{name} T={T:<6d} ours {times['ours']:8.2f} torch {times['torch']:8.2f} | floor {floor:6.2f} "
                      f"ours/floor {times['ours'] / floor:.2f} torch/ours {times['torch'] / times['ours']:.2f}", flush=True)
    return wrong


if __name__ == "__main__":
    parser, options = command.parser(__doc__)
    options.add_argument("--shapes", default=",".join(SHAPES))
    options.add_argument("--tokens", default="1,4,16,64,256,1024,8192")
    options.add_argument("--seconds", type=float, default=0.2, help="of replays at each number of tokens")
    floor_options(options)
    command.main(parser, make, run)
