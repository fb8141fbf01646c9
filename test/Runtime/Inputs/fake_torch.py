"""A stand-in for torch, for tests of what speaks DLPack: tensors of bytes on the CPU, or on a GPU that is the CPU."""

import array
import contextlib
import ctypes as c
import sys
import types

from route import _abi

_FORMATS = {"bool": (6, 8, "B"), "int32": (0, 32, "i"), "int64": (0, 64, "q"), "uint8": (1, 8, "B"),
            "uint32": (1, 32, "I"),
            "bfloat16": (4, 16, "H"), "float32": (2, 32, "f"), "float64": (2, 64, "d")}
_Destructor = c.CFUNCTYPE(None, c.c_void_p)
_new_capsule = c.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = c.py_object, [c.c_void_p, c.c_char_p, _Destructor]


class _Managed(c.Structure):
    _fields_ = [("tensor", _abi.Tensor), ("context", c.c_void_p), ("deleter", c.c_void_p)]


class Device:
    def __init__(self, kind):
        self.type = kind


class Tensor:
    """Row-major; `memory` is a ctypes array shared with whatever it was made from."""

    def __init__(self, shape, dtype, device, memory):
        self.shape, self.dtype, self.device, self.memory = tuple(shape), dtype, device, memory
        self.requires_grad = False

    def detach(self):
        return Tensor(self.shape, self.dtype, self.device, self.memory)

    def cpu(self):
        return Tensor(self.shape, self.dtype, Device("cpu"), self.memory)

    def contiguous(self):
        return self

    def __dlpack_device__(self):
        return (2 if self.device.type == "cuda" else 1, 0)

    def __dlpack__(self, *, stream=None):
        if self.requires_grad:
            raise BufferError("a tensor that requires a gradient")
        assert stream == (-1 if self.device.type == "cuda" else None), stream
        code, bits, _ = _FORMATS[self.dtype]
        sizes = (c.c_int64 * max(1, len(self.shape)))(*self.shape)
        managed = _Managed(_abi.Tensor(c.addressof(self.memory), *self.__dlpack_device__(), len(self.shape),
                                       _abi.DType(code, bits, 1), sizes, None, 0))
        capsule = _new_capsule(c.addressof(managed), b"dltensor", _freed)
        _held[id(capsule)] = managed, sizes, self.memory
        return capsule

    def data_ptr(self):
        return c.addressof(self.memory)

    def tolist(self):
        count, code = 1, _FORMATS[self.dtype][2]
        for size in self.shape:
            count *= size
        values = array.array(code)
        values.frombytes(bytes(self.memory)[: count * values.itemsize])
        return values.tolist()


@_Destructor
def _freed(capsule):
    """Nothing may read what a capsule that is gone described."""
    managed, _, _ = _held.pop(capsule)
    c.memset(c.byref(managed), 0xA5, c.sizeof(managed))


_held = {}  # what capsules keep, by their address


def make(shape, dtype, values=None, device="cpu"):
    """A tensor of these values; of a pattern without."""
    count = 1
    for size in shape:
        count *= size
    width = _FORMATS[dtype][1] // 8
    memory = (c.c_uint8 * (count * width + 64))()
    c.memset(memory, 0xA5, len(memory))
    # The first element at a multiple of 64 bytes, as torch's allocators have it.
    start = -c.addressof(memory) % 64
    view = (c.c_uint8 * (count * width)).from_buffer(memory, start)
    if values is not None:
        view[:] = array.array(_FORMATS[dtype][2], values).tobytes()
    return Tensor(shape, dtype, Device(device), view)


class Stream:
    def __init__(self, number):
        self.cuda_stream = number

    def synchronize(self):
        torch.synchronised += 1


torch = types.ModuleType("torch")
torch.Tensor = Tensor
torch.synchronised = 0
torch.empty = lambda shape, dtype, device: make(shape, dtype, device=device.type)
torch.cuda = types.SimpleNamespace(current_stream=lambda device: Stream(0x5EED), device=lambda device: contextlib.nullcontext())
for _name in _FORMATS:
    setattr(torch, _name, _name)
sys.modules["torch"] = torch
