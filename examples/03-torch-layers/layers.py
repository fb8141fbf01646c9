"""Puts compiled layers in the place of the mixture-of-experts blocks of a transformers model.

    model = AutoModelForCausalLM.from_pretrained(..., dtype=torch.bfloat16, device_map="cuda")
    replace(model, "libqwen3.so")

The blocks' parameters stay where they are, under the names they had: the library reads torch's own memory, on the CPU
or the GPU, and its results are torch tensors. Calls go to torch's current stream and may be captured in a CUDA graph.
For inference: no gradient passes.
"""

import torch

import route


class Layer(torch.nn.Module):
    """A block with `gate` and `experts`, computed by the entry `layer` of a library whose parameters have its names."""

    def __init__(self, block, path):
        super().__init__()
        self.gate, self.experts = block.gate, block.experts
        tensors = dict(block.named_parameters())
        self._places = [(parameter, parameter.data_ptr()) for parameter in tensors.values()]
        self._library = route.load(path, tensors=tensors, cuda=self._places[0][0].is_cuda)

    def forward(self, hidden_states):
        if torch.is_grad_enabled() and (hidden_states.requires_grad or self._places[0][0].requires_grad):
            raise RuntimeError("a compiled layer has no gradients: call the model under torch.no_grad()")
        if any(parameter.data_ptr() != place for parameter, place in self._places):
            raise RuntimeError("the layer's parameters have moved since replace(): move the model first")
        x = hidden_states.reshape(-1, hidden_states.shape[-1])
        return self._library.layer(x=x)["layer"].view_as(hidden_states)


def replace(model, path):
    """Replaces every mixture-of-experts block of the model by a Layer; returns how many there were.

    Raises route.RouteError where the library's parameters are not the blocks': other names, shapes or types.
    """
    found = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()
             if type(child).__name__.endswith("SparseMoeBlock")]
    for parent, name, child in found:
        setattr(parent, name, Layer(child, path))
    return len(found)


def blocks(model):
    """The model's mixture-of-experts blocks, replaced or not, in order."""
    return [m for m in model.modules() if isinstance(m, Layer) or type(m).__name__.endswith("SparseMoeBlock")]
