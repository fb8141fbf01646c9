"""Tensors of any library that speaks DLPack (torch, CuPy, JAX, NumPy), on the CPU or a GPU, borrowed where they lie."""

import contextlib
import ctypes as c
import math
import sys

from . import _abi

CPU, CUDA, CUDA_HOST = 1, 2, 3

_get_pointer = c.pythonapi.PyCapsule_GetPointer
_get_pointer.restype, _get_pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]

# Element number -> the name of torch's type; u16 to u64 exist there too, but with few operations.
_TORCH = {1: "bool", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "uint8", 7: "uint16", 8: "uint32", 9: "uint64",
          10: "float16", 11: "bfloat16", 12: "float32", 13: "float64", 15: "uint64"}


def speaks(value):
    """Whether a value is a tensor of a library that speaks DLPack."""
    return hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")


def is_foreign(value):
    """Whether it is one that NumPy does not read as its own."""
    return speaks(value) and not hasattr(value, "__array_interface__")


def is_torch(value):
    """Whether a value is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def on_gpu(value):
    """Whether a tensor lies on an NVIDIA GPU."""
    return int(value.__dlpack_device__()[0]) == CUDA


def on_gpu_or_none(value):
    """Whether it is a tensor of another library on a GPU."""
    return value is not None and is_foreign(value) and on_gpu(value)


def on_cpu(value):
    """A torch tensor as one in the host's memory, side by side; anything else as it is."""
    return value.detach().cpu().contiguous() if is_torch(value) else value


class Borrowed:
    """A tensor's description for the runtime; keeps the tensor alive. `tensor` is an _abi.Tensor, `shape` a tuple.

    Raises BufferError where the library refuses (torch: a tensor that requires a gradient).
    """

    def __init__(self, value):
        # No synchronisation: the caller's stream is the one that calls run on.
        self._capsule = value.__dlpack__(stream=-1) if on_gpu(value) else value.__dlpack__()
        self._owner = value
        # The managed tensor begins with the DLTensor; the capsule, never consumed, frees it.
        self.tensor = _abi.Tensor.from_address(_get_pointer(self._capsule, b"dltensor"))
        self.shape = tuple(self.tensor.shape[: self.tensor.ndim])


def explained(problem, value):
    """The error with what to do where the value's elements are bf16 that its library (NumPy with ml_dtypes) cannot lend."""
    if str(getattr(value, "dtype", "")) != "bfloat16":
        return problem
    return BufferError(f"{problem}: bf16 is uint16 in NumPy, give .view(numpy.uint16)")


def empty(like, shape, element):
    """A new tensor of `like`'s library on its device; None for elements that the library does not have."""
    if is_torch(like):
        torch = sys.modules["torch"]
        if element not in _TORCH:
            return None
        return torch.empty(shape, dtype=getattr(torch, _TORCH[element]), device=like.device)
    numpy_name = _abi.ELEMENTS[element][2]
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(like, cupy.ndarray) and element not in (11, 14):
        return cupy.empty(shape, numpy_name)
    return None


def copy_to(like, buffer, shape, element):
    """A tensor of `like`'s library on its device, of numbers that a ctypes array has. Raises TypeError where it has none."""
    made = empty(like, shape, element)
    if made is None:
        raise TypeError(f"a list of {_abi.ELEMENTS[element][0]} cannot be brought to the GPU; give a tensor there")
    count = math.prod(shape)
    if count and is_torch(like):
        made.copy_(sys.modules["torch"].frombuffer(buffer, dtype=made.dtype, count=count).reshape(made.shape))
    elif count:
        # Pageable memory has been read when this returns.
        made.data.copy_from_host_async(c.addressof(buffer), made.nbytes)
    return made


def stream_of(value):
    """The stream that the tensor's library works on now, as a number; 0 where it has none."""
    if is_torch(value):
        return sys.modules["torch"].cuda.current_stream(value.device).cuda_stream
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(value, cupy.ndarray):
        return cupy.cuda.get_current_stream().ptr
    return 0


def device_of(value):
    """A `with` in which the GPU of a torch tensor is the thread's, once what is under way there has ended."""
    if not is_torch(value):
        return contextlib.nullcontext()
    torch = sys.modules["torch"]
    torch.cuda.current_stream(value.device).synchronize()
    return torch.cuda.device(value.device)
