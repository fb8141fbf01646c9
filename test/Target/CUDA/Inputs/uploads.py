"""Calls an entry that begins on the CPU with embeddings "on the GPU" of the driver that only writes down what it is
asked, whose memory is the host's, and prints what the CPU's part uploads. uploads.py LIBRARY DRIVER [constants]: with that
the entry's texts are constants."""

import ctypes as c
import math
import sys
import types

import route
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
        self.memory = c.create_string_buffer(math.prod(shape) * bits // 8 + 64)
        self.shape = (c.c_int64 * max(1, len(shape)))(*shape)
        self.tensor = _abi.Tensor((c.addressof(self.memory) + 63) // 64 * 64, 2, 0, len(shape),
                                  _abi.DType(code, bits, 1), self.shape, None, 0)

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


driver = c.CDLL(sys.argv[2])
uploads = (Upload * 16).in_dll(driver, "fake_uploads")
count = c.c_int.in_dll(driver, "fake_num_uploads")


def call(**inputs):
    """The outputs' names, whether all are on the GPU, and the bytes that went there."""
    count.value = 0
    try:
        results = library.pick(**inputs)
    except route.RouteError as error:
        print(error)
        return
    print(*results, all(isinstance(each, Lent) for each in results.values()))
    for upload in uploads[: count.value]:
        data = c.string_at(upload.to, upload.size)
        print(upload.size, *[list(data[at : at + 4]) for at in range(0, upload.size, 64)])


if sys.argv[3:] == ["constants"]:
    library = route.load(sys.argv[1], tensors={"pick.w": Lent((4, 3), 12)}, cuda=True)
    call(x=Lent((4, 4), 12))
    c.c_void_p.in_dll(driver, "fake_captured").value = 64
    call(x=Lent((4, 4), 12))
    sys.exit()

weights = Lent((4, 2), 12)
library = route.load(sys.argv[1], tensors={"pick.w": weights}, cuda=True)
embedding = Lent((4, 4), 12)
prompts = ["def f", "nothing", "now: def g", None]
call(prompt=prompts, embedding=embedding)
call(embedding=embedding)
call(prompt=["", "now", "", "def "], embedding=embedding)
# Numbers that the host has, where the GPU reads them; and the other way round.
call(prompt=prompts, embedding=[[0.0] * 4] * 4)
call(prompt=Lent((4,), 9), embedding=embedding)
c.c_void_p.in_dll(driver, "fake_captured").value = 64
call(prompt=prompts, embedding=embedding)
