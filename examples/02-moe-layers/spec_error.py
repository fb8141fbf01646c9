"""How far the specs' own roundings are from exact arithmetic: the tolerances of the fixtures' tests come from here.

usage: spec_error.py [folder]     (needs torch and safetensors)

Computes each layer operation by operation as its spec is written, f32 between and rounded where a type is written, and
compares with the fixtures. Exits with 1 if a choice differs. Independent of the compiler and of make_fixtures.py.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).parent


def first(keys, k):
    """The k best of each row, best first, ties to the lower index."""
    return keys.sort(dim=-1, descending=True, stable=True)[1][:, :k]


def silu(x):
    return x * torch.sigmoid(x)


def route(name, x, p, r):
    """indices and weights; `r` rounds to the spec's element type."""
    if name == "gpt_oss":
        l = r(x @ p["mlp.router.weight"].T + p["mlp.router.bias"])
        indices = first(l, 4)
        return indices, r(l.gather(1, indices).softmax(1))
    if name == "deepseek_v3":
        s = torch.sigmoid(x @ p["mlp.gate.weight"].T)
        key = (s + p["mlp.gate.e_score_correction_bias"]).unflatten(1, (8, -1))
        best = key.sort(dim=-1, descending=True)[0][..., :2].sum(-1)
        closed = torch.ones_like(best, dtype=torch.bool).scatter(1, first(best, 4), False)
        indices = first(key.masked_fill(closed[..., None], float("-inf")).flatten(1), 8)
        s = s.gather(1, indices)
        return indices, s / (s.sum(1, keepdim=True) + 1e-20) * 2.5
    s = r(x @ p[("block_sparse_moe" if name == "mixtral" else "mlp") + ".gate.weight"].T).softmax(1)
    indices = first(s, 2 if name == "mixtral" else 8)
    s = s.gather(1, indices)
    if name != "olmoe":
        s = s / s.sum(1, keepdim=True)
    return indices, s if name == "mixtral" else r(s)


def expert(name, x, p, prefix, r):
    """The rows of one gated feed-forward network whose parameters' names begin with `prefix`."""
    gate, up, down = ("w1", "w3", "w2") if name == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    a = r(silu(x @ p[f"{prefix}.{gate}.weight"].T) * (x @ p[f"{prefix}.{up}.weight"].T))
    return r(a @ p[f"{prefix}.{down}.weight"].T)


def clamped_expert(e, x, p, r):
    """The rows of one gpt-oss expert."""
    h = r(x @ p["mlp.experts.gate_up_proj"][e] + p["mlp.experts.gate_up_proj_bias"][e])
    g = h[:, ::2].clamp(max=7.0)
    a = r((h[:, 1::2].clamp(-7.0, 7.0) + 1) * g * torch.sigmoid(1.702 * g))
    return r(a @ p["mlp.experts.down_proj"][e] + p["mlp.experts.down_proj_bias"][e])


def layer(name, x, p, r):
    """indices, weights and y of the spec `name` on x, all f32."""
    indices, weights = route(name, x, p, r)
    y = torch.zeros_like(x)
    for rank in range(indices.shape[1]):
        for e in indices[:, rank].unique().tolist():
            rows = indices[:, rank] == e
            if name == "gpt_oss":
                out = clamped_expert(e, x[rows], p, r)
            else:
                out = expert(name, x[rows], p, f"{'block_sparse_moe' if name == 'mixtral' else 'mlp'}.experts.{e}", r)
            y[rows] += weights[rows, rank, None] * out
    if name == "deepseek_v3":
        y = y + expert(name, x, p, "mlp.shared_experts", r)
    return indices, weights, r(y)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent.parent / "test" / "Fixtures" / "moe"
    print(f"{'':22}{'weights':>10}{'spec - y64':>12}{'y - y64':>12}   (outputs over the root mean square of y64)")
    for path in sorted(folder.glob("*.io.safetensors")):
        name, case = path.name.split(".")[:2]
        io = load_file(path)
        p = {k: v.float() for k, v in load_file(folder / f"{name}.{case}.safetensors").items()}
        r = (lambda t: t.bfloat16().float()) if case == "bf16" else lambda t: t
        indices, weights, y = layer(name, io["x"].float(), p, r)
        if not torch.equal(indices.int(), io["indices"]):
            sys.exit(f"{name}.{case}: the spec chooses otherwise than the fixture")
        rms = io["y64"].square().mean().sqrt()
        errors = [((value - io["y64"]).abs().max() / rms).item() for value in (y, io["y"].float())]
        relative = ((weights - io["weights"]).abs() / io["weights"]).max().item()
        print(f"{name + '.' + case:22}{relative:10.1e}{errors[0]:12.1e}{errors[1]:12.1e}")


if __name__ == "__main__":
    main()
