"""Whole layers on a GPU against the same library on the CPU: layers.py FOLDER, which make_layers.py filled.

Parameters are torch tensors that the library reads where they lie, on either side. Batches are random, or all tokens
are the same one, so that a few experts have every row and the others none. Sums over the hidden axis have other orders on
a GPU, so logits and results differ in the last bits: results are compared where both chose the same experts, which all
but a few tokens must. Routers whose scores the caller gives choose the same everywhere: where experts choose tokens the
choices are the experts', and all of them must be the same. Outputs and workspace are filled with rubbish before every call. Of libraries made with --tunable every
form of every product runs, also at numbers of rows that it is not for.
"""

import glob
import json
import os
import sys

import torch

from device import TYPES, Choices, Library

ELEMENTS = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


def parameters(description):
    """Random values for every parameter; rows of a router's matrix a little larger, so that experts differ."""
    sizes = {axis["name"]: axis["size"] for axis in description["axes"]}
    g = torch.Generator().manual_seed(5)
    made = {}
    for param in description["params"]:
        shape = [sizes[axis] for axis in param["axes"]]
        scale = min(shape[-2:]) ** -0.5 if len(shape) > 1 else 0.1
        if len(shape) == 2 and "experts" in param["axes"]:
            scale *= 3
        made[param["name"]] = (torch.randn(shape, generator=g) * scale).to(ELEMENTS[param["element"]])
    return made


def batches(hidden, element):
    # Of 350 equal tokens an expert has three tiles of rows: a pair, and one alone.
    for tokens in (0, 1, 2, 7, 33, 64, 350):
        x = torch.randn(tokens, hidden, generator=torch.Generator().manual_seed(tokens)).to(element)
        yield x
        if tokens > 2:
            yield x[:1].repeat(tokens, 1)


def main(folder):
    failures = 0
    paths = sorted(glob.glob(os.path.join(folder, "*.so")))
    for path in paths:
        with open(path[:-3] + ".json") as file:
            values = parameters(json.load(file))
        sides = {"cpu": Library(path, cuda=False, tensors=values),
                 "cuda": Library(path, tensors={name: value.cuda() for name, value in values.items()})}
        desc = sides["cpu"].desc
        router = next(name for name in sides["cpu"].entries if name in ("gate", "top"))
        port = desc.entries[sides["cpu"].entries["layer"]].inputs[0]
        hidden, element = desc.axes[port.axes[1]].size, TYPES[port.type.element]
        experts = next(axis.size for axis in desc.axes[: desc.num_axes] if axis.name == b"experts")
        worst, flipped, tokens, forms = 0.0, 0, 0, 0
        choices = Choices(path)
        for x in batches(hidden, element):
            results = {}
            # With ties; not every router reads them.
            scores = torch.round(torch.randn(len(x), experts, generator=torch.Generator().manual_seed(len(x))) * 4) / 4
            for device, library in sides.items():
                inputs = {"x": x.to(device), "scores": scores.to(device)}
                layer, gate = (library.call(entry, inputs, device) for entry in ("layer", router))
                layer.poison()
                gate.poison()
                out, chosen = layer()["layer"], gate()[router]
                results[device] = (out.float().cpu(), chosen.cpu())
            (a, i), (b, j) = results["cpu"], results["cuda"]
            if i.shape[:1] == x.shape[:1]:
                same = (i.sort(-1).values == j.sort(-1).values).all(-1)
            else:
                same = torch.full((len(x),), torch.equal(i, j))
            flipped, tokens = flipped + int((~same).sum()), tokens + len(x)
            if same.any():
                error = float((a[same] - b[same]).norm() / a[same].norm())
                worst = max(worst, error if error == error else float("inf"))
            # Chains first: which form of theirs runs decides which products do.
            for n, names in enumerate(choices.forms):
                for form in range(len(names)):
                    for chain, others in enumerate(choices.forms):
                        choices.take(chain, others.index("order") if "order" in others else -1)
                    choices.take(n, form)
                    layer.poison()
                    out = layer()["layer"].float().cpu()
                    error = float((out - b).norm() / max(1e-9, float(b.norm()))) if len(x) else 0.0
                    worst, forms = max(worst, error if error == error else float("inf")), forms + 1
                    if not error <= 1e-2:
                        print(f"     {len(x)} tokens, choice {n}: '{names[form]}' differs by {error:.1e}")
            for n in range(len(choices.forms)):
                choices.take(n, -1)
        bad = worst > 1e-2 or flipped > tokens // 40
        # A router's sums do not depend on how many others are in the batch.
        x = torch.randn(9000, hidden, generator=torch.Generator().manual_seed(1)).to(element).cuda()
        sums = desc.entries[sides["cpu"].entries[router]].inputs[0].name == b"x"
        whole = sides["cuda"].call(router, {"x": x}, "cuda")() if sums else {}
        for few in (1000, 160, 33, 7, 1) if sums else ():
            for name, part in sides["cuda"].call(router, {"x": x[:few]}, "cuda")().items():
                if not torch.equal(part, whole[name][:few]):
                    print(f"     '{name}' of {few} tokens differs from that of {len(x)}")
                    bad = True
        failures += bad
        print(f"{'FAIL' if bad else 'ok  '} {os.path.basename(path)[:-3]:12s} error {worst:.1e}, other experts for "
              f"{flipped} of {tokens} tokens" + (f", {forms} calls with chosen forms" if forms else ""), flush=True)
    if not paths:
        print(f"no libraries in {folder}")
    return failures or not paths


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
