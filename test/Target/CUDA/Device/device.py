"""Calls compiled libraries on torch tensors, on the CPU and on a GPU, with no copy: what the checks here share.

    library = Library("libgate.so", ["model.safetensors"])
    call = library.call("gate", {"logits": x}, "cuda")   # arguments checked, outputs and workspace made
    call()                                               # on torch's current stream; may be captured in a graph
    call.outputs["gate"]

Needs torch, and libroute_rt.so named by $ROUTE_RUNTIME.
"""

import ctypes as c
import json
import os
import sys

import torch

sys.path.insert(0, os.environ.get("ROUTE_PYTHON") or
                os.path.join(os.path.dirname(__file__), "../../../../runtime/bindings/python"))
import route  # noqa: E402
from route import _abi  # noqa: E402

TYPES = {1: torch.bool, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.uint8, 10: torch.float16,
         11: torch.bfloat16, 12: torch.float32, 13: torch.float64, 9: torch.int64}


class Library:
    """A library and its context; with `cuda`, its code and parameters are on the current GPU too. `tensors` are those
    parameters that are in memory, by name."""

    def __init__(self, path, files=(), cuda=True, tensors=None):
        if cuda:
            torch.zeros(1, device="cuda")  # makes torch's context the thread's
        self.loaded = route.load(path, params=files, cuda=cuda, tensors=tensors)
        self.runtime, self.module, self.context = self.loaded._runtime, self.loaded._module, self.loaded._context
        self.desc, self.entries, self.check = self.loaded._desc, self.loaded._entries, self.loaded._check

    def call(self, entry, inputs, device):
        return Call(self, entry, inputs, device)


class Call:
    """One call, prepared: calling it costs what route_decide costs."""

    def __init__(self, library, entry, inputs, device):
        self.library, self.index = library, library.entries[entry]
        desc, runtime = library.desc, library.runtime
        ports = desc.entries[self.index]
        self.keep, self.outputs = [], {}
        self.arguments = (_abi.Argument * max(1, ports.num_inputs))()
        self.results = (_abi.Argument * max(1, ports.num_outputs))()
        self.raw = call = _abi.Call(c.sizeof(_abi.Call), self.arguments, ports.num_inputs, self.results,
                                    ports.num_outputs)
        call.workers = 1
        for i in range(ports.num_inputs):
            self.give(self.arguments[i], ports.inputs[i], inputs[ports.inputs[i].name.decode()])
        sizes = (c.c_int64 * max(1, desc.num_axes))()
        call.outputs, call.num_outputs = None, 0
        library.check(runtime.route_call_sizes, library.context, self.index, c.byref(call), sizes)
        call.outputs, call.num_outputs = self.results, ports.num_outputs
        for i in range(ports.num_outputs):
            port = ports.outputs[i]
            shape = (c.c_int64 * max(1, port.num_axes))()
            library.check(runtime.route_port_shape, library.module, c.byref(port), sizes, shape)
            tensor = torch.empty(list(shape)[:port.num_axes], dtype=TYPES[port.type.element], device=device)
            self.outputs[port.name.decode()] = tensor
            self.give(self.results[i], port, tensor)
        size = c.c_uint64()
        library.check(runtime.route_workspace_size, library.context, self.index, sizes, 1, c.byref(size))
        self.workspace = torch.empty(size.value + 64, dtype=torch.uint8, device=device)
        call.workspace = (self.workspace.data_ptr() + 63) & ~63
        call.workspace_size = size.value
        self.on_gpu = torch.device(device).type == "cuda"

    def give(self, argument, port, tensor):
        shape = (c.c_int64 * max(1, tensor.dim()))(*tensor.shape)
        assert tensor.is_contiguous()
        made = _abi.Tensor(tensor.data_ptr(), 2 if tensor.is_cuda else 1, 0, tensor.dim(),
                           self.library.runtime.route_element_dtype(port.type.element), shape, None, 0)
        argument.tensor = c.pointer(made)
        self.keep += [shape, made, tensor]

    def poison(self):
        """Fills outputs and workspace with values that no call may leave or read."""
        for tensor in self.outputs.values():
            tensor.view(torch.uint8).fill_(0xA5)
        self.workspace.fill_(0x5A)

    def __call__(self):
        self.raw.stream = torch.cuda.current_stream().cuda_stream if self.on_gpu else None
        self.library.check(self.library.runtime.route_decide, self.library.context, self.index, c.byref(self.raw))
        return self.outputs


class Choices:
    """What a library made with --tunable lets its caller choose: `forms` by choice, and take(choice, form)."""

    class _Tuning(c.Structure):
        _fields_ = [("choices", c.c_char_p), ("chosen", c.POINTER(c.c_int32)), ("rows", c.POINTER(c.c_int64))]

    def __init__(self, path):
        try:
            self._tuning = self._Tuning.in_dll(c.CDLL(os.path.abspath(path)), "route_tuning_v1")
        except ValueError:  # another library
            self.forms = []
            return
        self.forms = [each["forms"] for each in json.loads(self._tuning.choices)]

    def take(self, choice, form):
        """Form -1 is the library's own choice."""
        self._tuning.chosen[choice] = form


def same_bits(a, b):
    """Whether two tensors are the same bytes; NaNs of floats count as equal."""
    a, b = a.cpu(), b.cpu()
    if a.dtype.is_floating_point:
        return bool(((a == b) & (torch.signbit(a) == torch.signbit(b)) | (a != a) & (b != b)).all())
    return torch.equal(a, b)
