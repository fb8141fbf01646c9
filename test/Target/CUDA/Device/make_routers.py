"""Compiles the routers that routers.py checks: make_routers.py ROUTEC FOLDER. Needs no GPU.

make_routers.py FOLDER only writes their specs, without those that are slow on an emulated GPU.
"""

import json
import os
import struct
import subprocess
import sys

SOFTMAX = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  let s = softmax(logits over experts)
  return choose {k} of experts per token by s weight s / sum(s over chosen)
}}
"""
SIGMOID = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  param bias : f32[experts] from "bias"
  let s : f32 = sigmoid(logits)
  return choose {k} of experts per token by s + bias weight s / (sum(s over chosen) + 1e-20) * 2.5
}}
"""
GROUPED = """axis token, group = {groups}
pool experts[{members}] in group {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  param bias : f32[experts] from "bias"
  let s : f32 = sigmoid(logits)
  let key = s + bias
  let best = choose 2 of experts per (token, group) by key
  let open = choose {open} of group per token by sum(key over best per (token, group))
  return choose {k} of experts per token where group in open by key
    weight s / (sum(s over chosen) + 1e-20) * 2.5
}}
"""
TOP_P = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  let s = softmax(logits over experts)
  return choose until sum(s over chosen) >= 0.7 of experts per token by s weight s
}}
"""
FUNCTIONS = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  let x : f32 = logits
  let d : f64 = logits
  emit length = norm(x over experts)
  emit root = sqrt(abs(x))
  emit wide = sqrt(abs(d)) / 3
  emit down = floor(x * 2)
  emit whole = floor(d * 2) + ceil(d) + round(d / 3)
  emit left = mod(x, 3)
  emit rest = mod(d, 0 - 0.7)
  emit total = sum(x over experts)
  return choose {k} of experts per token by mod(x, 3) weight sqrt(abs(x)) / norm(x over experts)
}}
"""
CHOSEN = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  return choose {k} of experts per token by logits weight softmax(logits over chosen)
}}
"""
EXPERT_CHOICE = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  let s = softmax(logits over experts)
  return choose {k} of token per experts by s weight s
}}
"""
LIMITED = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  return choose {k} of token per experts where logits > -0.5 by (logits, token) weight logits
}}
"""
# A loop that ends early and a branch, both on what the device has, and sums over all tokens.
SINKHORN = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
route transport(l) -> f32[token, experts] {{
  let k = exp(l - max(l over (token, experts)))
  let (u, v) = for 20 carry (u = 1.0[token], v = 1.0[experts]) until mean(abs(v - old v) over experts) < 1e-4 {{
    u = 1 / (count(token) * (sum(k * v over experts) + 1e-8))
    v = 1 / (count(experts) * (sum(k * u over token) + 1e-8))
  }}
  return u * k * v
}}
router gate(logits) {{
  let l : f32 = logits
  let s = if max(l over (token, experts)) > 1 then transport(l) else softmax(l over experts)
  return choose {k} of experts per token by s weight s / sum(s over chosen)
}}
"""
# More values of a row in shared memory than a block has.
STAGES = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
router gate(logits) {{
  let s = softmax(logits over experts), t = sigmoid(logits), u = tanh(logits), v = exp(logits)
  let a = choose {k} of experts per token by s weight s
  let b = choose {k} of experts per token where not (experts in a) by s weight t
  let c = choose {k} of experts per token where not (experts in b) by s weight u
  let d = choose {k} of experts per token where not (experts in c) by s weight v
  return choose {k} of experts per token by s
    weight s + sum(a.weight over a) + sum(b.weight over b) + sum(c.weight over c) + sum(d.weight over d)
}}
"""
# Tokens choose two experts, and an expert keeps the first of those who chose it.
CAPACITY = """axis token
pool experts[{E}] {{}}
signal logits : {type}[token, experts]
let first = choose 2 of experts per token by logits weight softmax(logits over chosen)
router gate(logits) {{
  return choose {k} of first per experts by (-first.rank, -token) weight first.weight
}}
"""


def routers():
    def make(name, text, E, k, score="softmax", type="f32", bench=False, params=False, **more):
        return dict(name=name, text=text.format(E=E, k=k, type=type, members=E // more.get("groups", 1), **more),
                    experts=E, k=k, score=score, type=type, bench=bench, params=params, **more)

    yield make("softmax-128-8", SOFTMAX, 128, 8, bench=True)
    yield make("softmax-256-8", SOFTMAX, 256, 8, bench=True)
    yield make("softmax-8-2", SOFTMAX, 8, 2, bench=True)
    yield make("softmax-384-8", SOFTMAX, 384, 8, bench=True)
    yield make("softmax-144-6", SOFTMAX, 144, 6)
    yield make("softmax-33-5", SOFTMAX, 33, 5)
    yield make("softmax-7-7", SOFTMAX, 7, 7)
    yield make("softmax-128-8-bf16", SOFTMAX, 128, 8, type="bf16")
    yield make("softmax-64-40", SOFTMAX, 64, 40)
    yield make("sigmoid-256-8", SIGMOID, 256, 8, score="sigmoid", params=True, bench=True)
    yield make("chosen-32-4-f16", CHOSEN, 32, 4, type="f16")
    yield make("grouped-256-8", GROUPED, 256, 8, score="sigmoid", params=True, bench=True, groups=8, open=4)
    yield make("grouped-60-4", GROUPED, 60, 4, score="sigmoid", params=True, groups=5, open=2)
    yield make("top-p-64", TOP_P, 64, 64)
    # A warp a block, and rows in memory.
    yield make("softmax-4096-8", SOFTMAX, 4096, 8)
    yield make("stages-4096-4", STAGES, 4096, 4, slow=True)
    # Several items a warp.
    yield make("softmax-1-1", SOFTMAX, 1, 1)
    yield make("softmax-2-1", SOFTMAX, 2, 1)
    yield make("softmax-4-2", SOFTMAX, 4, 2)
    yield make("softmax-16-4", SOFTMAX, 16, 4, bench=True)
    yield make("softmax-16-12-bf16", SOFTMAX, 16, 12, type="bf16")
    yield make("sigmoid-11-3", SIGMOID, 11, 3, score="sigmoid", params=True)
    yield make("chosen-8-2-f16", CHOSEN, 8, 2, type="f16")
    yield make("grouped-16-3", GROUPED, 16, 3, score="sigmoid", params=True, groups=4, open=2)
    yield make("grouped-9-2", GROUPED, 9, 2, score="sigmoid", params=True, groups=3, open=1)
    yield make("top-p-8", TOP_P, 8, 8)
    yield make("top-p-13", TOP_P, 13, 13)
    # Exact functions.
    yield make("functions-16-4", FUNCTIONS, 16, 4)
    yield make("functions-100-4", FUNCTIONS, 100, 4)
    yield make("sinkhorn-16-2", SINKHORN, 16, 2)
    yield make("sinkhorn-100-4", SINKHORN, 100, 4)
    yield make("expert-choice-64-1024", EXPERT_CHOICE, 64, 1024, bench=True, token_choice=False)
    yield make("expert-choice-8-5000", EXPERT_CHOICE, 8, 5000, token_choice=False)
    yield make("expert-choice-7-3-bf16", EXPERT_CHOICE, 7, 3, type="bf16", token_choice=False)
    yield make("expert-choice-limited-6", LIMITED, 6, 100, token_choice=False)
    yield make("capacity-16-300", CAPACITY, 16, 300, token_choice=False)


def write_bias(path, experts):
    """A safetensors file with one f32 tensor."""
    data = struct.pack(f"<{experts}f", *((i * 37 % 101 - 50) / 400 for i in range(experts)))
    header = json.dumps({"bias": {"dtype": "F32", "shape": [experts], "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def main(folder, routec=None):
    os.makedirs(folder, exist_ok=True)
    for router in routers():
        if router.get("slow") and not routec:
            continue
        stem = os.path.join(folder, router["name"])
        with open(stem + ".route", "w") as file:
            file.write(router.pop("text"))
        if not routec:
            continue
        subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", stem + ".route", "-o", stem + ".so"], check=True)
        if router["params"]:
            write_bias(stem + ".safetensors", router["experts"])
        with open(stem + ".json", "w") as file:
            json.dump(router, file)


if __name__ == "__main__":
    main(*reversed(sys.argv[1:]))
