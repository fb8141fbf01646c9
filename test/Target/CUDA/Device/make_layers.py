"""Compiles layers at small sizes for CPUs and GPUs: make_layers.py ROUTEC STDLIB FOLDER.

Needs no GPU; layers.py checks them. Beside each library stands its description as route-run, which lies beside routec,
prints it.
"""

import os
import subprocess
import sys

INPUTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
# By spec: sizes. Those of mixtral and deepseek_v3 are no multiples of a tile; products of qwen3 and deepseek_v3 have more
# tiles than a GPU has multiprocessors. The shared expert of deepseek_v3 runs in the kernels of the others, the second
# product for its more than 512 columns; blocks take that one's tiles in pairs, and so the second product of qwen3. olmoe's router has rows so long that blocks on all multiprocessors share its product.
LAYERS = {
    "moe/qwen3": dict(experts=16, hidden=512, inner=1024),
    "moe/mixtral": dict(experts=8, hidden=264, inner=136),
    "moe/olmoe": dict(experts=16, hidden=4680, inner=128),
    "moe/deepseek_v3": dict(experts=4, hidden=1288, inner=520),
    "moe/gpt_oss": dict(experts=8, hidden=256, inner=128),
    "transposed": dict(experts=16, hidden=256, inner=136),
    "half": dict(experts=8, hidden=256, inner=128),
    "single": dict(experts=8, hidden=384, inner=136),
    "gated_half": dict(experts=8, hidden=264, inner=136),
    "expert_choice": dict(experts=8, hidden=256, inner=136),
    "capacity": dict(experts=8, hidden=256, inner=136),
}
# Those with all forms of their products, of which layers.py then runs each.
TUNABLE = {"moe/qwen3", "moe/gpt_oss", "transposed", "gated_half"}


def main(routec, stdlib, folder):
    os.makedirs(folder, exist_ok=True)
    run = os.path.join(os.path.dirname(os.path.abspath(routec)), "route-run")
    for name, sizes in LAYERS.items():
        source = os.path.join(stdlib if "/" in name else INPUTS, name + ".route")
        stem = os.path.join(folder, os.path.basename(name))
        defines = [f"-D{axis}={size}" for axis, size in sizes.items()]
        if name in TUNABLE:
            defines.append("--tunable")
        subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", *defines, source, "-o", stem + ".so"], check=True)
        with open(stem + ".json", "w") as file:
            subprocess.run([run, stem + ".so", "--describe", "--json"], check=True, stdout=file)


if __name__ == "__main__":
    main(*sys.argv[1:])
