"""Arrays that are said to be on the GPU of the driver that only writes down what it is asked, whose memory is the host's."""

import ctypes as c
import math
import sys
import types

from route import _abi

_new_capsule = c.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = c.py_object, [c.c_void_p, c.c_char_p, c.c_void_p]


class Lent:
    """Zeros that are said to be on a GPU, aligned to 64 bytes; they stay."""

    all = []

    def __init__(self, shape, element):
        Lent.all.append(self)
        name, _, _ = _abi.ELEMENTS[element]
        bits = 8 if name == "bool" else int(name[1:])
        code = {"i": 0, "u": 1, "f": 2, "b": 6}[name[0]]
        self.nbytes = math.prod(shape) * bits // 8
        self.data = types.SimpleNamespace(copy_from_host_async=lambda start, size: c.memmove(self.tensor.data, start, size))
        self.memory = c.create_string_buffer(math.prod(shape) * bits // 8 + 64)
        self.shape = (c.c_int64 * max(1, len(shape)))(*shape)
        self.tensor = _abi.Tensor((c.addressof(self.memory) + 63) // 64 * 64, 2, 0, len(shape),
                                  _abi.DType(code, bits, 1), self.shape, None, 0)

    def bytes(self):
        return c.string_at(self.tensor.data, self.nbytes)

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, stream=None):
        return _new_capsule(c.addressof(self.tensor), b"dltensor", None)


# The library whose arrays these are, as far as the bindings ask.
elements = {numpy: number for number, (_, _, numpy) in _abi.ELEMENTS.items()}
sys.modules["cupy"] = types.SimpleNamespace(
    ndarray=Lent, empty=lambda shape, name: Lent(shape, 6 if name == "uint8" else elements[name]),
    cuda=types.SimpleNamespace(get_current_stream=lambda: types.SimpleNamespace(ptr=64)))


class Upload(c.Structure):
    _fields_ = [("to", c.c_void_p), ("size", c.c_size_t), ("stream", c.c_void_p)]


class FakeDriver:
    """What the driver says of itself."""

    def __init__(self, path):
        self._driver = c.CDLL(path)
        self._uploads = (Upload * 16).in_dll(self._driver, "fake_uploads")
        self._count = c.c_int.in_dll(self._driver, "fake_num_uploads")

    def uploads(self):
        """The bytes that went to the GPU since the last time, by copy."""
        data = [c.string_at(each.to, each.size) for each in self._uploads[: self._count.value]]
        self._count.value = 0
        return data

    def capture(self, stream):
        """Lets a graph be captured from a stream."""
        c.c_void_p.in_dll(self._driver, "fake_captured").value = stream
