"""A transformers model with its own mixture-of-experts blocks and with compiled ones: checked and timed in one run.

    python3 compare.py qwen3=LIB.so mixtral=LIB.so [--layers 4] [--prompts 512,4096] [--batch 1,8]

Models have the shapes of Qwen3-30B-A3B and Mixtral 8x7B, fewer layers and random weights. `transformers` runs each of
its implementations of experts that runs here; the fastest counts. Ways take turns; times are medians of the wall clock.
Decoding is a step of one token for each sequence of the batch with a static cache, eagerly and as a CUDA graph.

Needs a GPU, torch, transformers, and the binding: PYTHONPATH=runtime/bindings/python
ROUTE_RUNTIME=build/lib/libroute_rt.so.
"""

import argparse
import copy
import functools
import random
import statistics
import sys
import time

import torch
import transformers

from layers import blocks, replace

IMPLEMENTATIONS = ("grouped_mm", "batched_mm", "eager")


def make_model(name, layers):
    """The model on the GPU, bf16, random weights."""
    common = dict(num_hidden_layers=layers, vocab_size=32000, max_position_embeddings=32768, torch_dtype=torch.bfloat16)
    if name == "qwen3":
        config = transformers.Qwen3MoeConfig(
            hidden_size=2048, intermediate_size=6144, moe_intermediate_size=768, num_experts=128, num_experts_per_tok=8,
            num_attention_heads=32, num_key_value_heads=4, head_dim=128, norm_topk_prob=True, **common)
        kind = transformers.Qwen3MoeForCausalLM
    elif name == "mixtral":
        config = transformers.MixtralConfig(
            hidden_size=4096, intermediate_size=14336, num_local_experts=8, num_experts_per_tok=2,
            num_attention_heads=32, num_key_value_heads=8, **common)
        kind = transformers.MixtralForCausalLM
    else:
        sys.exit(f"unknown model '{name}': qwen3 or mixtral")
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = kind(config)
    torch.set_default_dtype(torch.float32)
    for parameter in model.parameters():  # whatever the library's own initialisation leaves out
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0, parameter.shape[-1] ** -0.5)
    return model.eval()


def with_experts(model, implementation):
    model.config._experts_implementation = implementation
    for block in blocks(model):
        if hasattr(block.experts, "config"):
            block.experts.config._experts_implementation = implementation


def reference(block, x):
    """A block's output in f32 from its bf16 parameters, a(x) rounded to bf16, and the experts chosen, sorted."""
    _, weights, chosen = block.gate(x)
    experts, out = block.experts, torch.zeros(x.shape, dtype=torch.float32, device=x.device)
    for e in chosen.unique().tolist():
        token, place = (chosen == e).nonzero(as_tuple=True)
        gate, up = (x[token].float() @ experts.gate_up_proj[e].float().T).chunk(2, -1)
        a = (torch.nn.functional.silu(gate) * up).bfloat16().float()
        y = a @ experts.down_proj[e].float().T
        out.index_add_(0, token, y * weights[token, place, None].float())
    return out, chosen.sort(-1).values


def tie(block, x, mine, theirs):
    """Of each token, whether two choices differ at most by experts whose logits are as good as equal in bf16."""
    logits = x.double() @ block.gate.weight.double().T
    mine, theirs = (logits.gather(1, chosen.long()).sort(-1).values for chosen in (mine, theirs))
    # Each of two logits is rounded by half of a step, which is up to 2^-7 of a number.
    return ((mine - theirs).abs() <= 2 ** -7 * torch.maximum(mine.abs(), theirs.abs())).all(-1)


def check_blocks(model, ours, tokens):
    """Each block alone on fresh inputs: relative errors against f32, over tokens that get the same experts; others tie."""
    worst = {"ours": 0.0, "transformers": 0.0}
    other = wrong = 0
    for n, (block, layer) in enumerate(zip(blocks(model), blocks(ours))):
        x = torch.randn(tokens, block.gate.weight.shape[1], generator=torch.Generator("cuda").manual_seed(n),
                        device="cuda").bfloat16()
        want, chosen = reference(block, x)
        plan = layer._library.gate(x=x)["gate"].sort(-1).values
        same = (plan == chosen).all(-1)
        other += int((~same).sum())
        wrong += int((~same & ~tie(block, x, plan, chosen)).sum())
        if not same.any():
            continue
        for name, one in (("ours", layer), ("transformers", block)):
            out = one(x[None])[0].float()
            error = float((out[same] - want[same]).norm() / want[same].norm())
            worst[name] = max(worst[name], error if error == error else float("inf"))
    print(f"   blocks, {tokens} tokens each: error against f32 arithmetic {worst['ours']:.1e}, transformers' "
          f"{worst['transformers']:.1e}; other experts for {other} tokens, where logits do not tie for {wrong}", flush=True)
    return worst["ours"] < 1e-2 and wrong == 0


def time_all(runs, seconds):
    """Milliseconds of each, in turns of three."""
    times, started = {name: [] for name in runs}, time.time()
    order = list(runs)
    while time.time() - started < seconds * len(runs):
        random.shuffle(order)
        for name in order:
            for turn in range(3):
                torch.cuda.synchronize()
                begin = time.perf_counter()
                runs[name]()
                torch.cuda.synchronize()
                if turn:  # the first one warms up
                    times[name].append((time.perf_counter() - begin) * 1e3)
    return {name: statistics.median(measured) for name, measured in times.items()}


class Decode:
    """Steps of one token for each sequence, after a prompt, with a static cache."""

    def __init__(self, model, batch, prompt):
        self.model, self.prompt = model, prompt
        ids = torch.randint(0, 32000, (batch, prompt), generator=torch.Generator("cuda").manual_seed(3), device="cuda")
        self.cache = transformers.StaticCache(config=model.config, max_cache_len=prompt + 16)
        model(ids, past_key_values=self.cache, use_cache=True, logits_to_keep=1,
              position_ids=torch.arange(prompt, device="cuda")[None])
        self.token = torch.full((batch, 1), 7, device="cuda")
        self.position = torch.full((1, 1), prompt, device="cuda")
        self.lengths = [(layer, layer.cumulative_length.clone()) for layer in self.cache.layers
                        if isinstance(getattr(layer, "cumulative_length", None), torch.Tensor)]

    def __call__(self):
        for layer, length in self.lengths:  # every step writes the same place
            layer.cumulative_length.copy_(length)
        return self.model(self.token, past_key_values=self.cache, use_cache=True, position_ids=self.position,
                          cache_position=self.position[0]).logits

    def graph(self):
        """The step as a CUDA graph: how to replay it, and its result."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self()
        return graph.replay, out


def run_with(model, name, step):
    """A step of the model with one of its implementations; of the compiled layers, which have no other."""
    if name != "ours":
        with_experts(model, name)
    return step()


def each_way(model, ours, prepare):
    """What prepare(model) returns, a function, by implementation, and its result; without what does not run."""
    runs, results = {}, {}
    for name in ("ours", *IMPLEMENTATIONS):
        try:
            if name != "ours":
                with_experts(model, name)
            runs[name] = functools.partial(run_with, model, name, prepare(ours if name == "ours" else model))
            results[name] = runs[name]()
        except Exception as problem:  # an implementation that does not run here is no failure of ours
            if name == "ours":
                raise
            runs.pop(name, None)
            print(f"   {name} does not run: {str(problem).splitlines()[0]}"[:120])
            torch.cuda.synchronize()
    return runs, results


def check_logits(found, most):
    """How far the results of each_way() are from those with experts one by one; ours no further than grouped_mm's or `most`."""
    base = next(found[name] for name in reversed(IMPLEMENTATIONS) if name in found).float()
    far = {name: float((value.float() - base).norm() / base.norm()) for name, value in found.items()}
    print("   logits, against eager: " + ", ".join(f"{name} {value:.1e}" for name, value in far.items()), flush=True)
    return far["ours"] < max(2 * far.get("grouped_mm", 0), most)


def report(what, runs, seconds):
    times = time_all(runs, seconds)
    best = min((t for name, t in times.items() if name != "ours"), default=float("nan"))
    print(f"   {what:34s}" + " ".join(f"{name} {t:8.2f} ms" for name, t in times.items()) +
          f" | {best / times['ours']:.2f} x the best", flush=True)


@torch.no_grad()
def compare(name, path, options):
    model = make_model(name, options.layers)
    ours = copy.deepcopy(model)
    for mine, theirs in zip(ours.parameters(), model.parameters()):
        mine.data = theirs.data  # one copy of the weights
    before = torch.cuda.memory_allocated()
    count = replace(ours, path)
    grown = torch.cuda.memory_allocated() - before
    print(f"{name}: {count} layers, {torch.cuda.get_device_name()}, torch {torch.__version__}, transformers "
          f"{transformers.__version__}; binding took {grown} bytes of torch's memory")
    with_experts(model, "grouped_mm")
    good = check_blocks(model, ours, 300)
    good &= check_blocks(model, ours, 1)  # which has a form of its own

    ids = torch.randint(0, 32000, (2, 200), generator=torch.Generator("cuda").manual_seed(4), device="cuda")
    _, found = each_way(model, ours, lambda m: lambda: m(ids).logits)
    good &= check_logits(found, 2e-2)

    # What calling one layer costs the host: few enough calls that none waits for the GPU.
    x, costs = torch.randn(1, 1, model.config.hidden_size, device="cuda").bfloat16(), {}
    with_experts(model, "grouped_mm")
    for name, layer in (("ours", blocks(ours)[0]), ("grouped_mm", blocks(model)[0])):
        for turn in range(2):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(100):
                layer(x)
            costs[name] = (time.perf_counter() - begin) * 1e4
    print("   the host's time for one layer, us: " + ", ".join(f"{n} {t:.0f}" for n, t in costs.items()), flush=True)

    for tokens in options.prompts:
        ids = torch.randint(0, 32000, (1, tokens), device="cuda")
        runs, _ = each_way(model, ours, lambda m: lambda: m(ids, use_cache=False, logits_to_keep=1).logits)
        report(f"prompt of {tokens}", runs, options.seconds)
    for batch in options.batch:
        runs, found = each_way(model, ours, lambda m: Decode(m, batch, 512))
        good &= check_logits(found, 1e-1)  # of one token each, which an expert that ties moves by some percent
        report(f"step, batch {batch}", runs, options.seconds)

        def graphed(m):
            step = Decode(m, batch, 512)
            want = step().float()
            replay, out = step.graph()
            out.fill_(float("nan"))
            replay()
            torch.cuda.synchronize()
            error = float((out.float() - want).norm() / want.norm())
            if not error < 1e-2:
                raise RuntimeError(f"the graph gives another result: {error}")
            return lambda keep=step: replay()

        runs, _ = each_way(model, ours, graphed)
        report(f"step as a graph, batch {batch}", runs, options.seconds)
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", nargs="+", metavar="MODEL=LIB.so")
    parser.add_argument("--layers", type=int, default=4)
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--prompts", type=numbers, default=[512, 4096])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    arguments = parser.parse_args()
    right = all([compare(*one.split("=", 1), arguments) for one in arguments.libraries])
    sys.exit(0 if right else 1)
