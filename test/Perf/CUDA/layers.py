"""Mixture-of-experts layers on a GPU beside other implementations, checked and timed in one run.

    python3 layers.py make ROUTEC FOLDER        # compiles the layers; needs no GPU
    python3 layers.py run FOLDER [--shapes qwen3,mixtral,deepseek_v3] [--tokens 1,4,32] [--peers FOLDER]
                          [--skew S] [--cool] [--profile]

From f32 logits to the layer's output, routing included, bf16 weights and activations. Every implementation runs in CUDA
graphs over several sets of inputs, replayed in random order; the medians are printed in microseconds, after the error
against f32 arithmetic on some of the tokens, the floor (measure.py says how it is measured), ours over it, and the best
peer's time over ours; a last line for each shape has the geometric mean of that. Peers are torch's grouped_mm, eager and compiled, cuBLAS's batched product of perfectly balanced experts
without any routing (bmm: no layer, but what the products alone cost), the experts of the transformers library where
that is installed, and with --peers those whose sources are in that folder: peers.py there has a table PEERS of name to
function(w13, w2, K, route) -> layer(x, logits), where `route` is a Routing, or None for the softmax of the best K.

--skew S draws experts by Zipf's law, the n-th most popular n^-S as likely as the first. --cool times single calls, with
everything but one graph's own data flushed from the second-level cache before each; what launching a graph takes is in.

`run` needs torch, and libroute_rt.so named by $ROUTE_RUNTIME. The library reads torch's weights where they lie.
"""

import os
import statistics
import subprocess
import sys

import command
from measure import Floor, capture, floor_options, medians

SHAPES = {  # experts, chosen, hidden, inner; ROUTERS has those that choose by another rule than softmax
    "mixtral": (8, 2, 4096, 14336),
    "qwen3": (128, 8, 2048, 768),
    "deepseek": (256, 8, 7168, 2048),
    "deepseek_v3": (256, 8, 7168, 2048),
    "qwen2": (64, 8, 3584, 2560),
    "olmoe": (64, 8, 2048, 1024),
    "wide32": (32, 4, 2880, 2880),  # gpt-oss's sizes, but a plain gated unit
    "turns32": (32, 4, 2880, 2880),  # and its matrices: columns of gate and up in turn, a row for each input
}
TOKENS = (1, 4, 32, 128, 512, 2048, 8192, 32768)
SOURCE = """axis token, hidden = {H}, inner = {I}, half {{ gate, up }}
signal x: bf16[token, hidden]
signal logits: f32[token, experts]
{pool} {{
{body}
}}
router gate(logits) {{
{router}
}}
route layer(x, logits) -> bf16[token, hidden] = combine(gate(logits), experts(x))
"""
BODY = """  param gate_up: bf16[{gate_up}] from "gate_up"
  param down: bf16[{down}] from "down"
  route run(x) -> bf16[hidden] {{
    let h = x @ gate_up
    let a: bf16 = silu(h.gate) * h.up
    return a @ down
  }}"""
PLAIN = BODY.format(gate_up="(half, inner), hidden", down="hidden, inner")
TURNS = BODY.format(gate_up="hidden, (inner, half)", down="inner, hidden")
SOFTMAX = ("pool experts[{E}]", """  let s = softmax(logits over experts)
  return choose {K} of experts per token by s weight s / sum(s over chosen)""")
ROUTERS = {  # the pool, and the router's body
    "deepseek_v3": ("axis group = 8\npool experts[32] in group", """  param bias: f32[experts] from "bias"
  let s = sigmoid(logits)
  let key = s + bias
  let best = choose 2 of experts per (token, group) by key
  let open = choose 4 of group per token by sum(key over best per (token, group))
  return choose {K} of experts per token where group in open by key weight s / sum(s over chosen) * 2.5"""),
}


class Routing:
    """DeepSeek-V3's rule in torch: logits -> weights, experts. `bias` takes part in the choice alone."""

    def __init__(self, E, K):
        import torch
        self.K, self.groups, self.open, self.scale = K, 8, 4, 2.5
        g = torch.Generator("cuda").manual_seed(2)
        self.bias = torch.empty(E, device="cuda").normal_(0, 0.1, generator=g)

    def __call__(self, logits):
        import torch
        T, E = logits.shape
        s = torch.sigmoid(logits)
        key = (s + self.bias).view(T, self.groups, -1)
        best = key.topk(2, -1).values.sum(-1).topk(self.open, -1).indices
        shut = torch.ones_like(key[..., 0], dtype=torch.bool).scatter_(1, best, False)
        i = key.masked_fill(shut.unsqueeze(-1), float("-inf")).view(T, E).topk(self.K, -1).indices
        s = s.gather(1, i)
        return s / s.sum(-1, keepdim=True) * self.scale, i


def softmax_of_best(K):
    import torch

    def route(logits):
        s, i = torch.softmax(logits, -1).topk(K, -1)
        return s / s.sum(-1, keepdim=True), i

    return route


def make(routec, folder):
    os.makedirs(folder, exist_ok=True)
    for name, (E, K, H, I) in SHAPES.items():
        stem = os.path.join(folder, name)
        with open(stem + ".route", "w") as file:
            pool, router = ROUTERS.get(name, SOFTMAX)
            body = TURNS if name == "turns32" else PLAIN
            file.write(SOURCE.format(H=H, I=I, pool=pool.format(E=E), body=body, router=router.format(K=K)))
        subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", stem + ".route", "-o", stem + ".so"], check=True)


def weights(E, H, I):
    """gate and up of every expert, [E, 2I, H], and down, [E, H, I]."""
    import torch
    g = torch.Generator("cuda").manual_seed(1)

    def normal(*shape):
        return torch.empty(*shape, dtype=torch.bfloat16, device="cuda").normal_(0, shape[-1] ** -0.5, generator=g)

    return normal(E, 2 * I, H), normal(E, H, I)


def in_turn(w13):
    """[E, 2I, H], gate before up -> [E, H, 2I], columns of gate and up in turn."""
    E, columns, H = w13.shape
    return w13.view(E, 2, columns // 2, H).permute(0, 3, 2, 1).reshape(E, H, columns)


def inputs(T, E, H, copies, skew):
    import torch
    g = torch.Generator("cuda").manual_seed(T)
    # The largest of Gumbel noise and log p is a draw by p.
    popular = -skew * torch.log(torch.arange(1, E + 1, device="cuda"))[torch.randperm(E, generator=g, device="cuda")]

    def logits():
        if not skew:
            return torch.empty(T, E, device="cuda").normal_(generator=g)
        return popular - torch.log(torch.empty(T, E, device="cuda").exponential_(generator=g))

    return [(torch.empty(T, H, dtype=torch.bfloat16, device="cuda").normal_(generator=g), logits())
            for _ in range(copies)]


def error_of(out, x, logits, w13, w2, route):
    """Relative error of some tokens against f32 arithmetic, activations rounded to bf16 between the products."""
    import torch
    T, I = x.shape[0], w2.shape[2]
    # The last rows too, where tiles are partly empty.
    some = torch.cat((torch.arange(0, T, max(1, T // 24)), torch.arange(max(0, T - 8), T))).unique().cuda()
    s, i = route(logits[some])
    ref = torch.zeros(len(some), x.shape[1], device="cuda")
    for n, t in enumerate(some):
        for k in range(i.shape[1]):
            e = i[n, k]
            h = x[t].float() @ w13[e].float().T
            a = (torch.nn.functional.silu(h[:I]) * h[I:]).bfloat16().float()
            ref[n] += s[n, k] * (a @ w2[e].float().T).bfloat16().float()
    return float((out[some].float() - ref).norm() / ref.norm())


def torch_layer(w13, w2, route):
    import torch
    E, I = w13.shape[0], w2.shape[2]
    a, b = w13.transpose(1, 2), w2.transpose(1, 2)
    each = torch.arange(E, device="cuda", dtype=torch.int32)

    def layer(x, logits):
        s, i = route(logits)
        expert, order = i.flatten().sort(stable=True)
        offsets = torch.searchsorted(expert.int(), each, right=True).int()
        h = torch._grouped_mm(x[order // i.shape[1]], a, offs=offsets)
        h = torch.nn.functional.silu(h[:, :I]) * h[:, I:]
        y = torch._grouped_mm(h, b, offs=offsets)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order), device="cuda")
        y = y[inverse].view(*i.shape, -1)
        return (y * s.to(y.dtype).unsqueeze(-1)).sum(1)

    return layer


def transformers_layer(w13, w2, K, route):
    """The transformers library's own experts, by its grouped products."""
    import torch
    from transformers import Qwen3MoeConfig
    from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeExperts
    E, H, I = w2.shape
    with torch.device("meta"):
        experts = Qwen3MoeExperts(Qwen3MoeConfig(hidden_size=H, moe_intermediate_size=I, num_experts=E,
                                                 num_experts_per_tok=K))
    experts.config._experts_implementation = "grouped_mm"
    experts.gate_up_proj = torch.nn.Parameter(w13, requires_grad=False)
    experts.down_proj = torch.nn.Parameter(w2, requires_grad=False)

    def layer(x, logits):
        s, i = route(logits)
        return experts(x, i, s.to(x.dtype))

    return layer


def balanced(w13, w2, K):
    import torch
    E, H, I = w2.shape
    a, b = w13.transpose(1, 2), w2.transpose(1, 2)

    def layer(x, logits):
        rows = x.shape[0] * K // E
        buffers = layer.buffers.setdefault(rows, (x.new_empty(E, rows, H).normal_(), x.new_empty(E, rows, I).normal_()))
        return torch.bmm(buffers[0], a), torch.bmm(buffers[1], b)

    layer.buffers = {}
    return layer


def profile(name, graph, copies):
    """Where the time goes, by kernel."""
    import torch
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as p:
        graph.replay()
        torch.cuda.synchronize()
    for row in sorted(p.key_averages(), key=lambda r: -r.device_time_total):
        print(f"      {name} {row.device_time_total / copies:9.2f} us  {row.key[:60]}", flush=True)


def compare(shape, folder, tokens, peers, floor_of, options):
    import torch
    from device import Library
    E, K, H, I = SHAPES[shape]
    w13, w2 = weights(E, H, I)
    routing = Routing(E, K) if shape in ROUTERS else None
    route = routing or softmax_of_best(K)
    both, down = (in_turn(w13), w2.transpose(1, 2).contiguous()) if shape == "turns32" else (w13, w2)
    tensors = {"experts.gate_up": both, "experts.down": down, **({"gate.bias": routing.bias} if routing else {})}
    library = Library(os.path.join(folder, shape + ".so"), tensors=tensors)
    implementations = {"routec": None, "bmm": balanced(w13, w2, K)}
    if not options.alone:
        implementations["grouped_mm"] = torch_layer(w13, w2, route)
        if options.compile:
            implementations["compiled"] = torch.compile(torch_layer(w13, w2, route), dynamic=False)
        for name, peer in {"transformers": transformers_layer, **peers}.items():
            try:
                implementations[name] = peer(w13, w2, K, route if name == "transformers" else routing)
            except Exception as error:  # a peer that does not run is no failure of ours
                print(f"   {name}: {error}"[:160])
    wrong, leads = 0, []
    flush = torch.empty(2 ** 28, dtype=torch.uint8, device="cuda") if options.cool else None
    for T in tokens:
        copies = max(1, min(16, 32768 // T)) if T * K * H < 2 ** 30 and not options.cool else 1
        sets = inputs(T, E, H, copies, options.skew)
        calls = {}

        def ours(x, logits):
            call = calls.get(id(x))
            if call is None:
                call = calls[id(x)] = library.call("layer", {"x": x, "logits": logits}, "cuda")
                call.poison()
            return list(call().values())[0]

        graphs, errors = {}, {}
        for name, run in implementations.items():
            if name == "bmm" and T * K < E:
                continue
            try:
                graphs[name], results = capture(run or ours, sets)
                if name != "bmm":
                    for each in results:
                        each.fill_(float("nan"))
                graphs[name].replay()
                torch.cuda.synchronize()
                if name != "bmm":
                    errors[name] = max(error_of(results[i], *sets[i], w13, w2, route) for i in {0, copies - 1})
            except Exception as error:
                graphs.pop(name, None)
                print(f"   {name} T={T}: {str(error).splitlines()[0]}"[:160])
                if name == "routec":
                    raise
        times = medians(graphs, copies, options.seconds, flush.zero_ if options.cool else None)
        wrong += not errors["routec"] < 1e-2
        best = min((t for name, t in times.items() if name not in ("routec", "bmm")), default=None)
        if best:
            leads.append(best / times["routec"])
        # Experts that these inputs choose, whose weights have to be read.
        active = statistics.mean(route(logits)[1].unique().numel() for _, logits in sets)
        floor = floor_of(active * 3 * H * I * 2 + T * K * (3 * H + 2 * I) * 2 + T * H * 4, 6 * T * K * H * I)
        print(f"{shape:9s} T={T:<6d}" + " ".join(f"{n} {t:9.1f}" for n, t in times.items()) +
              f" | floor {floor:9.1f} ours/floor {times['routec'] / floor:.2f}" +
              (f" best/ours {leads[-1]:.2f}" if best else "") +
              " | errors " + " ".join(f"{n} {e:.1e}" for n, e in errors.items()) +
              ("" if errors["routec"] < 1e-2 else "   WRONG"), flush=True)
        if options.profile:
            profile("routec", graphs["routec"], copies)
        del graphs, sets, calls
        torch.cuda.empty_cache()
    if leads:
        print(f"{shape:9s} ahead of the best peer, geometric mean over {len(leads)} sizes: "
              f"{statistics.geometric_mean(leads):.3f}; least {min(leads):.3f}", flush=True)
    return wrong


def run(options):
    import torch
    peers = {}
    if options.peers:
        sys.path.insert(0, options.peers)
        from peers import PEERS
        peers = PEERS
    tokens = [int(t) for t in options.tokens.split(",")] if options.tokens else TOKENS
    floor, wrong = Floor(options), 0
    for shape in options.shapes.split(","):
        most = [t for t in tokens if shape == "qwen3" or t <= 8192]
        wrong += compare(shape, options.folder, most, peers, floor, options)
        torch.cuda.empty_cache()
    return wrong


if __name__ == "__main__":
    parser, options = command.parser(__doc__)
    options.add_argument("--shapes", default="qwen3,mixtral")
    options.add_argument("--tokens")
    options.add_argument("--peers")
    options.add_argument("--skew", type=float, default=0, help="of the experts' popularity: Zipf's exponent")
    options.add_argument("--cool", action="store_true", help="single calls on a flushed cache")
    options.add_argument("--profile", action="store_true")
    options.add_argument("--alone", action="store_true", help="without peers but bmm")
    options.add_argument("--compile", action="store_true", help="torch.compile of the grouped_mm layer too")
    options.add_argument("--seconds", type=float, default=1.5, help="of replays at each number of tokens")
    floor_options(options)
    command.main(parser, make, run)
