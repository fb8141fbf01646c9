"""Routers with the product before them, on a GPU: choices that differ from exact logits', and times, in one run.

    python3 gates.py make ROUTEC FOLDER     # compiles the routers; needs no GPU
    python3 gates.py run FOLDER [--tokens 1,16,256] [--shapes qwen3,deepseek_v3]

softmax of the best 8, from bf16 rows and a matrix of bf16 or f32, the latter in all precisions of --gate-precision. A flipped choice is an expert that a token would not get
from the same numbers multiplied and added in f64; of those the rate among all choices is printed. torch is the product in
the matrix's type, and softmax and topk, in a graph. The floor is what is read, the matrix and the rows once, at --bandwidth.

`run` needs torch, and libroute_rt.so named by $ROUTE_RUNTIME.
"""

import os
import subprocess

import command

SHAPES = {"qwen3": (128, 2048), "deepseek_v3": (256, 7168)}  # experts, hidden
CHOSEN = 8
FORMS = {  # name: element of the matrix, options of routec
    "bf16": ("bf16", []),
    "two-launches": ("bf16", ["--disable-pass=ragged-fuse-router"]),
    **{f"f32:{p}": ("f32", [f"--gate-precision={p}"]) for p in ("f32", "bf16", "split-bf16", "tf32x3")},
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
        for form, (element, flags) in FORMS.items():
            stem = os.path.join(folder, f"{shape}-{form.replace(':', '-')}")
            with open(stem + ".route", "w") as file:
                file.write(SOURCE.format(E=E, H=H, K=CHOSEN, element=element))
            subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", *flags, stem + ".route", "-o", stem + ".so"],
                           check=True)


def flipped(chosen, x, w):
    """How many of the chosen experts are none of those that exact logits choose."""
    import torch
    exact = (x.double() @ w.double().T).topk(CHOSEN, -1).indices
    return int((chosen.long().unsqueeze(-1) != exact.unsqueeze(1)).all(-1).sum())


def run(options):
    import torch
    from device import Library
    from routers import timed
    g = torch.Generator("cuda").manual_seed(3)
    for shape in options.shapes.split(","):
        E, H = SHAPES[shape]
        exact = torch.empty(E, H, device="cuda").normal_(0, H ** -0.5, generator=g)
        for form, (element, _) in FORMS.items():
            w = exact.to(torch.bfloat16 if element == "bf16" else torch.float32)
            library = Library(os.path.join(options.folder, f"{shape}-{form.replace(':', '-')}.so"), tensors={"gate.w": w})
            x = torch.empty(8192, H, dtype=torch.bfloat16, device="cuda").normal_(generator=g)
            call, wrong, rounds = library.call("gate", {"x": x}, "cuda"), 0, 16
            for _ in range(rounds):
                x.normal_(generator=g)
                wrong += flipped(call()["gate"], x, w)
            print(f"{shape:12s} {form:14s} flipped {wrong} of {rounds * x.shape[0] * CHOSEN} choices: "
                  f"{wrong / (rounds * x.shape[0] * CHOSEN):.2e}", flush=True)
            for T in map(int, options.tokens.split(",")):
                copies = 24 if T <= 256 else 6
                xs = [torch.empty(T, H, dtype=torch.bfloat16, device="cuda").normal_(generator=g) for _ in range(copies)]
                calls = [library.call("gate", {"x": each}, "cuda") for each in xs]

                def torch_gate(i):
                    s, chosen = torch.softmax((xs[i].to(w.dtype) @ w.T).float(), -1).topk(CHOSEN, -1)
                    return s / s.sum(-1, keepdim=True), chosen

                floor = ((T + E * w.element_size() / 2) * H * 2 + 8 * T * CHOSEN) / options.bandwidth * 1e6
                print(f"{shape:12s} {form:14s} T={T:<6d} ours {timed(lambda i: calls[i](), copies):8.2f} torch "
                      f"{timed(torch_gate, copies):8.2f} | floor {floor:6.2f}", flush=True)
    return 0


if __name__ == "__main__":
    parser, options = command.parser(__doc__)
    options.add_argument("--shapes", default=",".join(SHAPES))
    options.add_argument("--tokens", default="1,4,16,64,256,1024,8192")
    options.add_argument("--bandwidth", type=float, default=3.0e12, help="bytes a second, for the floor")
    command.main(parser, make, run)
