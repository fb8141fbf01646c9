"""Records what the transformers library computes for five mixture-of-experts layers, as fixtures for the tests.

usage: make_fixtures.py [--out ../../test/Fixtures/moe]     (needs torch and transformers; runs on a CPU in seconds)

For each model and element type (f32, bf16) it writes two files:
  MODEL.TYPE.safetensors      the layer's parameters under the names of the published checkpoint
  MODEL.TYPE.io.safetensors   x [token, hidden] and, from the library's own modules with random weights:
      indices i32[token, k]   the chosen experts, best key first, ties to the lower index
      weights f32[token, k]   their weights
      y [token, hidden]       the layer's output in the element type
      y64 f32[token, hidden]  the same choice and weights, but all arithmetic behind them in f64
Tokens are drawn until the keys that decide are further apart than rounding can move them, so a choice is compared
exactly. MODEL.edges.* (f32) is the opposite: keys that tie exactly, whatever the order of summation, because x and the
gate hold small multiples of 1/8; for DeepSeek-V3 also negative keys, which win over nothing but must win over a closed
group, and scores so small that the 1e-20 under the renormalisation shows.
"""
import argparse
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek
from transformers.models.gpt_oss import modeling_gpt_oss as gpt_oss
from transformers.models.mixtral import modeling_mixtral as mixtral
from transformers.models.olmoe import modeling_olmoe as olmoe
from transformers.models.qwen3_moe import modeling_qwen3_moe as qwen3

HERE = pathlib.Path(__file__).parent
TOKENS = 19  # no multiple of any vector's length


def per_expert(block, prefix, gate, up, down):
    """The fused expert tensors under a checkpoint's one-matrix-per-expert names."""
    out = {}
    for e, (both, back) in enumerate(zip(block.experts.gate_up_proj, block.experts.down_proj)):
        first, second = both.chunk(2)
        out[f"{prefix}.{e}.{gate}.weight"], out[f"{prefix}.{e}.{up}.weight"] = first, second
        out[f"{prefix}.{e}.{down}.weight"] = back
    return out


class Layer:
    """One model's layer: the library's block at a small size, its checkpoint names and its keys.

    `build` makes the block from the configuration; `names` lists its parameters under checkpoint names; `keys` gives
    what the block chooses by, f32[token, expert], -inf where a candidate is out.
    """

    def __init__(self, name, build, names, k, spread):
        self.name, self.build, self.names, self.k, self.spread = name, build, names, k, spread

    def gate(self, block):
        return block.router if hasattr(block, "router") else block.gate

    def keys(self, block, logits):
        if self.name == "gpt_oss":
            return logits.float(), None
        if self.name != "deepseek_v3":
            return logits.float().softmax(-1), None
        gate = block.gate
        keys = logits.sigmoid() + gate.e_score_correction_bias
        groups = keys.view(len(keys), gate.num_group, -1)
        group_keys = groups.topk(2, -1)[0].sum(-1)
        open_groups = first(group_keys, gate.topk_group)
        closed = torch.ones_like(group_keys, dtype=torch.bool).scatter(1, open_groups, False)
        return groups.masked_fill(closed[..., None], float("-inf")).flatten(1), group_keys

    def weights(self, block, logits, indices):
        """The weights of a choice as the library's router computes them from the logits, operation by operation."""
        gate = self.gate(block)
        if self.name == "gpt_oss":
            return logits.gather(1, indices).softmax(1)
        if self.name == "deepseek_v3":
            s = logits.sigmoid().gather(1, indices)
            return s / (s.sum(-1, keepdim=True) + 1e-20) * gate.routed_scaling_factor
        s = logits.softmax(-1, dtype=torch.float32).gather(1, indices)
        if self.name == "mixtral" or gate.norm_topk_prob:
            s = s / s.sum(-1, keepdim=True)
        return s if self.name == "mixtral" else s.to(logits.dtype)


def small(cls, **settings):
    """A configuration of the library with the given sizes, running its plain expert loop."""
    config = cls(hidden_act="silu", **settings)
    config._experts_implementation = "eager"
    return config


LAYERS = [
    Layer(
        "mixtral",
        lambda: mixtral.MixtralSparseMoeBlock(
            small(transformers.MixtralConfig, hidden_size=32, intermediate_size=40, num_local_experts=8, num_experts_per_tok=2)
        ),
        lambda b: {"block_sparse_moe.gate.weight": b.gate.weight}
        | per_expert(b, "block_sparse_moe.experts", "w1", "w3", "w2"),
        2,
        2.0,
    ),
    Layer(
        "qwen3",
        lambda: qwen3.Qwen3MoeSparseMoeBlock(
            small(
                transformers.Qwen3MoeConfig, hidden_size=32, moe_intermediate_size=12, num_experts=32,
                num_experts_per_tok=8, norm_topk_prob=True,
            )
        ),
        lambda b: {"mlp.gate.weight": b.gate.weight} | per_expert(b, "mlp.experts", "gate_proj", "up_proj", "down_proj"),
        8,
        3.0,
    ),
    Layer(
        "olmoe",
        lambda: olmoe.OlmoeSparseMoeBlock(
            small(
                transformers.OlmoeConfig, hidden_size=32, intermediate_size=20, num_experts=16, num_experts_per_tok=8,
                norm_topk_prob=False,
            )
        ),
        lambda b: {"mlp.gate.weight": b.gate.weight} | per_expert(b, "mlp.experts", "gate_proj", "up_proj", "down_proj"),
        8,
        2.0,
    ),
    Layer(
        "deepseek_v3",
        lambda: deepseek.DeepseekV3MoE(
            small(
                transformers.DeepseekV3Config, hidden_size=32, moe_intermediate_size=12, n_routed_experts=32, n_group=8,
                topk_group=4, num_experts_per_tok=8, n_shared_experts=1, routed_scaling_factor=2.5, norm_topk_prob=True,
            )
        ),
        lambda b: {
            "mlp.gate.weight": b.gate.weight,
            "mlp.gate.e_score_correction_bias": b.gate.e_score_correction_bias,
            "mlp.shared_experts.gate_proj.weight": b.shared_experts.gate_proj.weight,
            "mlp.shared_experts.up_proj.weight": b.shared_experts.up_proj.weight,
            "mlp.shared_experts.down_proj.weight": b.shared_experts.down_proj.weight,
        }
        | per_expert(b, "mlp.experts", "gate_proj", "up_proj", "down_proj"),
        8,
        1.5,
    ),
    Layer(
        "gpt_oss",
        lambda: gpt_oss.GptOssMLP(
            small(
                transformers.GptOssConfig, hidden_size=36, intermediate_size=20, num_local_experts=8, num_experts_per_tok=4
            )
        ),
        lambda b: {
            "mlp.router.weight": b.router.weight,
            "mlp.router.bias": b.router.bias,
            "mlp.experts.gate_up_proj": b.experts.gate_up_proj,
            "mlp.experts.gate_up_proj_bias": b.experts.gate_up_proj_bias,
            "mlp.experts.down_proj": b.experts.down_proj,
            "mlp.experts.down_proj_bias": b.experts.down_proj_bias,
        },
        4,
        2.0,
    ),
]


def first(keys, k):
    """The k best of each row, best first, ties to the lower index (topk promises no order among ties)."""
    return keys.sort(dim=-1, descending=True, stable=True)[1][:, :k]


def fill(layer, block, seed, dtype):
    """Random parameters of a size that keeps activations near 1, rounded to `dtype` where the checkpoint would be."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in [*block.named_parameters(), *block.named_buffers()]:
        value = torch.randn(tensor.shape, generator=random)
        if "e_score_correction_bias" in name:
            value = value * 0.2 - 0.7  # most keys negative
        elif tensor.dim() == 1 or name.endswith("bias"):
            value = value * 0.5
        elif "gate.weight" in name or "router.weight" in name:
            value = value * layer.spread / tensor.shape[-1] ** 0.5
        elif "gate_up_proj" in name:
            value = value * 3 / block_hidden(block) ** 0.5  # reaches gpt-oss's clamp at 7
        else:
            value = value / tensor.shape[-1] ** 0.5
        tensor.data.copy_(value)
    block.to(dtype)
    if layer.name == "deepseek_v3":  # stays f32 in the checkpoint
        block.gate.e_score_correction_bias.data = block.gate.e_score_correction_bias.float()


def block_hidden(block):
    return (block.router if hasattr(block, "router") else block.gate).weight.shape[1]


def separated(layer, block, logits):
    """bool[token]: whether the keys that decide differ by more than three units of rounding in their type."""
    unit = 2.0**-7 if logits.dtype == torch.bfloat16 else 2.0**-18
    keys, group_keys = layer.keys(block, logits)
    best = (logits.float() if layer.name != "deepseek_v3" else keys).sort(-1, descending=True)[0][:, : layer.k + 1]
    gap = (best[:, :-1] - best[:, 1:]).min(1)[0]
    ok = gap > 3 * unit * best.abs().clamp(min=0.25).max(1)[0]
    if group_keys is not None:
        best = group_keys.sort(-1, descending=True)[0]
        k = block.gate.topk_group
        ok &= best[:, k - 1] - best[:, k] > 1e-4
    return ok


def run(layer, block, x):
    """indices, weights, y and y64 of the block on x [token, hidden]."""
    with torch.no_grad():
        logits, library_weights, library_indices = layer.gate(block)(x)
        keys, _ = layer.keys(block, logits)
        indices = first(keys, layer.k)
        weights = layer.weights(block, logits, indices)
        tied = (keys.gather(1, indices)[:, -1:] == keys).sum(1) > 1
        order = library_indices.sort(1)[1]
        mine = indices.sort(1)[1]
        for t in range(len(x)):  # our reading of the choice is the library's wherever it is defined
            if not tied[t]:
                assert torch.equal(library_indices[t][order[t]], indices[t][mine[t]]), (layer.name, t)
                torch.testing.assert_close(library_weights[t][order[t]], weights[t][mine[t]])

        def output(block, x, weights):
            y = block.experts(x, indices, weights)
            return y + block.shared_experts(x) if hasattr(block, "shared_experts") else y

        y = output(block, x, weights)
        if not tied.any():
            whole = block(x[None])
            assert torch.allclose((whole[0] if isinstance(whole, tuple) else whole)[0], y, atol=0.05 if y.dtype == torch.bfloat16 else 1e-5)
        double = layer.build()
        double.load_state_dict(block.state_dict())
        y64 = output(double.double(), x.double(), weights.double())
    return {
        "x": x,
        "indices": indices.to(torch.int32),
        "weights": weights.float(),
        "y": y,
        "y64": y64.float(),
    }


def save(folder, stem, layer, block, results):
    # One entry: several would be written in an order that changes from run to run.
    metadata = {"made by": f"transformers {transformers.__version__}, torch {torch.__version__}"}
    folder.mkdir(parents=True, exist_ok=True)
    params = {name: t.detach().clone().contiguous() for name, t in layer.names(block).items()}
    save_file(params, folder / f"{stem}.safetensors", metadata)
    io = {name: t.contiguous() for name, t in results.items()}
    for path, tensors in ((f"{stem}.safetensors", params), (f"{stem}.io.safetensors", io)):
        save_file(tensors, folder / path, metadata)
        (folder / path).chmod(0o644)


def ordinary(layer, dtype, folder):
    """Random tokens whose choice is beyond doubt."""
    block = layer.build().eval()
    fill(layer, block, seed=1, dtype=dtype)
    random = torch.Generator().manual_seed(2)
    x = torch.randn(20000, block_hidden(block), generator=random).to(dtype)
    with torch.no_grad():
        x = x[separated(layer, block, layer.gate(block)(x)[0])]
    assert len(x) >= TOKENS, f"{layer.name}: {len(x)} separated tokens"
    save(folder, f"{layer.name}.{'bf16' if dtype == torch.bfloat16 else 'f32'}", layer, block, run(layer, block, x[:TOKENS]))


def edges(layer, folder):
    """Exact ties, and what else goes wrong at a router's edges."""
    block = layer.build().eval()
    fill(layer, block, seed=3, dtype=torch.float32)
    random = torch.Generator().manual_seed(4)
    gate = layer.gate(block)
    eighths = lambda *shape: torch.randint(-2, 3, shape, generator=random) / 8
    experts = len(gate.weight)
    copy = torch.arange(experts) % -(-experts // 3)  # nearly every logit three times, and no k is a multiple of three
    gate.weight.data.copy_(eighths(*gate.weight.shape)[copy])
    x = torch.randint(-8, 9, (TOKENS, gate.weight.shape[1]), generator=random) / 8
    x[0] = 0  # every expert ties
    if layer.name == "gpt_oss":
        gate.bias.data.zero_()
    if layer.name == "deepseek_v3":
        gate.e_score_correction_bias.data.copy_(torch.tensor([-0.5, -0.25, -1.0, -0.75])[copy % 4])
        gate.weight.data[:, 0] = -8
        x[:, 0], x[1], x[2] = 0, 0, 0
        x[1, 0], x[2, 0] = 7, 6  # logits -56 and -48: scores far below 1e-20, and some below 1e-20
    with torch.no_grad():  # nothing may tie by accident, or almost
        for keys in layer.keys(block, gate(x)[0]):
            if keys is not None:
                ordered = keys.sort(-1)[0]
                gaps = ordered[:, 1:] - ordered[:, :-1]
                assert not ((gaps > 0) & (gaps < 1e-5)).any(), f"{layer.name}: keys almost tie"
    save(folder, f"{layer.name}.edges", layer, block, run(layer, block, x))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent.parent / "test" / "Fixtures" / "moe")
    folder = parser.parse_args().out
    torch.set_num_threads(1)
    for layer in LAYERS:
        ordinary(layer, torch.float32, folder)
        ordinary(layer, torch.bfloat16, folder)
        edges(layer, folder)
        print(layer.name)


if __name__ == "__main__":
    main()
