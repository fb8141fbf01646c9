"""Compiled layers on torch tensors, in the place of a block of torch's own: torch_layers.py EXAMPLE LIB.so RUNTIME.

The block is small (16 experts, 256 hidden, 128 inner) and has the parameters of those of the transformers library,
which is not needed. On the CPU, and on a GPU where there is one and the library has code for it.
"""

import sys

import torch

example, library, runtime = sys.argv[1:]
sys.path.insert(0, example)
import route  # noqa: E402
from layers import Layer, replace  # noqa: E402

route._find_runtime = lambda load=route._abi.declare, path=runtime: load(route.c.CDLL(path))


class Experts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_up_proj = torch.nn.Parameter(torch.randn(16, 256, 256) / 16)
        self.down_proj = torch.nn.Parameter(torch.randn(16, 256, 128) / 11)


class TinySparseMoeBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = torch.nn.Linear(256, 16, bias=False)
        self.experts = Experts()

    def forward(self, hidden_states):
        x = hidden_states.reshape(-1, 256)
        s, chosen = self.gate(x).float().softmax(-1).topk(8, -1)
        s = (s / s.sum(-1, keepdim=True)).bfloat16().float()
        out = torch.zeros_like(x, dtype=torch.float32)
        for e in range(16):
            token, place = (chosen == e).nonzero(as_tuple=True)
            gate, up = (x[token] @ self.experts.gate_up_proj[e].T).float().chunk(2, -1)
            a = (torch.nn.functional.silu(gate) * up).bfloat16()
            y = (a @ self.experts.down_proj[e].T).float()
            out.index_add_(0, token, y * s[token, place, None])
        return out.to(x.dtype).view_as(hidden_states)


def fails(kind, part, call):
    try:
        call()
    except kind as problem:
        assert part in str(problem), problem
        return
    raise AssertionError(f"no {kind.__name__}")


@torch.no_grad()
def check(device):
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Identity(), TinySparseMoeBlock()).to(device, torch.bfloat16)
    names = sorted(model.state_dict())
    inputs = [torch.randn(*shape, 256, device=device, dtype=torch.bfloat16) for shape in ((1, 1), (2, 3), (1, 300))]
    want = [model(x) for x in inputs]
    chosen = [model[1].gate(x.view(-1, 256)).float().topk(8, -1).indices.sort(-1).values for x in inputs]
    assert replace(model, library) == 1 and isinstance(model[1], Layer)
    assert sorted(model.state_dict()) == names
    for x, expected, experts in zip(inputs, want, chosen):
        out = model(x)
        assert out.shape == x.shape and out.dtype == x.dtype and out.device == x.device
        same = (model[1]._library.gate(x=x.view(-1, 256))["gate"].sort(-1).values == experts).all(-1)
        assert same.float().mean() > 0.9 or len(same) < 10, "other experts"
        a, b = out.view(-1, 256)[same].float(), expected.view(-1, 256)[same].float()
        error = float((a - b).norm() / b.norm()) if same.any() else 0
        assert error < 1e-2, error
    if device == "cuda":
        x = inputs[1]
        model(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = model(x)
        x.copy_(torch.randn_like(x))
        graph.replay()
        assert torch.equal(out, model(x))
        fails(route.RouteError, "given on a GPU", lambda: model(inputs[0].cpu()))
        # The layer reads torch's memory: a change shows at once.
        model[1].experts.down_proj.data.zero_()
        assert not model(inputs[1]).any()
    fails(route.RouteError, "has element type f32", lambda: model(inputs[0].float()))
    fails(route.RouteError, "axis 'hidden' has size 255", lambda: model(inputs[0][..., 1:].contiguous()))
    with torch.enable_grad():
        fails(RuntimeError, "torch.no_grad()", lambda: model(inputs[0]))
    model.to(torch.float32)
    fails(RuntimeError, "have moved", lambda: model(inputs[0]))
    fails(route.RouteError, "has type f32, expected bf16", lambda: Layer(model[1], library))
    print(f"{device}: ok")


check("cpu")
if torch.cuda.is_available():
    check("cuda")
