"""Python values to and from the arrays a call takes.

Inputs: anything with the buffer protocol, __array_interface__ or DLPack (NumPy arrays, array.array, memoryview, tensors
of torch or CuPy) of the port's element type is borrowed as it is, read-only or not; lists, numbers, strings and None are converted.
Outputs: tensors of the library that the inputs come from, where it is one of DLPack; else NumPy arrays where NumPy is
installed, else nested lists.
"""

import array
import ctypes as c
import math
import struct

from . import _abi, _dlpack

try:
    import numpy
except ImportError:  # everything works without it, on lists
    numpy = None


class Known:
    """Values for an input that may be unknown, and which of them there are.

    values: as for any input; None among them is unknown as ever. known: lists of bools, or an array of them, one for each
    value (or for each index of the port's leading `known_axes` axes); on a GPU where the values are there. A value that
    is not known may be anything.
    """

    def __init__(self, values, known):
        self.values, self.known = values, known


class Made:
    """One argument: its tensors and whatever keeps their memory alive."""

    def __init__(self, runtime, port, shape, buffer, known=None):
        self.port, self.shape, self.buffer, self.known = port, tuple(shape), buffer, known
        self.keep = []
        self._runtime = runtime
        self.argument = _abi.Argument()
        if _dlpack.is_foreign(buffer):
            borrowed = _dlpack.Borrowed(buffer)
            self.keep.append(borrowed)
            self.argument.tensor = c.pointer(borrowed.tensor)
        else:
            self.argument.tensor = self._tensor(port.type.element, self.shape, buffer)
        if known is not None and _dlpack.is_foreign(known):
            borrowed = _dlpack.Borrowed(known)
            self.keep.append(borrowed)
            self.argument.known = c.pointer(borrowed.tensor)
        elif known is not None:
            self.argument.known = self._tensor(1, self.shape[: port.known_axes], known)

    def address(self):
        """Of the first byte."""
        tensor = self.argument.tensor.contents
        return (tensor.data or 0) + tensor.byte_offset

    def check_plain(self):
        """Raises TypeError where it is no memory of the host's that has the port's elements side by side."""
        tensor, wanted = self.argument.tensor.contents, self._runtime.route_element_dtype(self.port.type.element)
        step, plain = 1, tensor.device_type != _dlpack.CUDA
        for i in reversed(range(tensor.ndim)):
            plain = plain and (not tensor.strides or tensor.shape[i] <= 1 or tensor.strides[i] == step)
            step *= tensor.shape[i]
        if not plain:
            raise TypeError("a tensor in the host's memory is expected, contiguous and row-major")
        if (tensor.dtype.code, tensor.dtype.bits) != (wanted.code, wanted.bits):
            raise TypeError(f"a tensor of another type, expected {_abi.ELEMENTS[self.port.type.element][0]}")

    def is_converted(self):
        """Whether the memory was made here, of a list or a number."""
        return isinstance(self.buffer, c.Array)

    def is_complete_on_gpu(self):
        """Whether all that a call on a GPU takes of it is there."""
        unknown = self.port.type.flags & _abi.MAY_BE_UNKNOWN
        parts = [self.buffer, self.known] if unknown else [self.buffer]
        return all(_dlpack.on_gpu_or_none(part) for part in parts)

    def bring(self, runtime, like):
        """The same on the GPU of `like`; what nothing is said of is known."""
        buffer, known = self.buffer, self.known
        if not _dlpack.on_gpu_or_none(buffer):
            buffer = _dlpack.copy_to(like, buffer, self.shape, self.port.type.element)
        if self.port.type.flags & _abi.MAY_BE_UNKNOWN and not _dlpack.on_gpu_or_none(known):
            shape = self.shape[: self.port.known_axes]
            count = math.prod(shape)
            flags = (c.c_uint8 * max(1, count))(*bytes(known) if known is not None else b"\1" * count)
            known = _dlpack.copy_to(like, flags, shape, 1)
        return Made(runtime, self.port, self.shape, buffer, known)

    def _tensor(self, element, shape, buffer):
        sizes = (c.c_int64 * max(1, len(shape)))(*shape)
        tensor = _abi.Tensor(address(buffer), 1, 0, len(shape), self._runtime.route_element_dtype(element), sizes, None, 0)
        self.keep += [sizes, tensor, buffer]
        return c.pointer(tensor)


def address(buffer):
    """The address of a writable or read-only buffer's first byte."""
    if numpy is not None and isinstance(buffer, numpy.ndarray):
        return buffer.ctypes.data
    if isinstance(buffer, c.Array):
        return c.addressof(buffer)
    view = _View()
    _get_buffer(buffer, c.byref(view), 0)
    start = view.start if view.size else None
    _release_buffer(c.byref(view))
    return start


class _View(c.Structure):
    """Python's Py_buffer; ctypes itself gives no address of read-only memory."""

    _fields_ = [("start", c.c_void_p), ("owner", c.py_object), ("size", c.c_ssize_t), ("item", c.c_ssize_t),
                ("readonly", c.c_int), ("rank", c.c_int), ("format", c.c_char_p), ("shape", c.c_void_p),
                ("strides", c.c_void_p), ("suboffsets", c.c_void_p), ("internal", c.c_void_p)]


_get_buffer, _release_buffer = c.pythonapi.PyObject_GetBuffer, c.pythonapi.PyBuffer_Release
_get_buffer.argtypes, _release_buffer.argtypes = [c.py_object, c.POINTER(_View), c.c_int], [c.POINTER(_View)]
_release_buffer.restype = None


def lendable(array):
    """A NumPy array as one that lends its memory by DLPack; a read-only one does not itself. Nothing is written."""
    if numpy is None or not isinstance(array, numpy.ndarray) or array.flags.writeable:
        return array
    array = numpy.ascontiguousarray(array)
    memory = (c.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    memory.owner = array
    return numpy.frombuffer(memory, array.dtype).reshape(array.shape) if array.nbytes else array.copy()


def shape_of(value, rank):
    """The shape of nested lists, None standing for any."""
    shape = []
    while len(shape) < rank:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"a list of rank {rank} is expected, found one of rank {len(shape)}")
        shape.append(len(value))
        value = next((item for item in value if item is not None), [])
    return shape


def pack_scalar(element, value):
    """The bytes of one number of a type that array.array does not have."""
    if element == 10:
        return struct.pack("<e", value)
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if math.isnan(value):
        return struct.pack("<H", bits >> 16 | 0x40)
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF)


def borrow(runtime, port, value):
    """A Made over the value's own memory, or None where it has none."""
    name, code, numpy_name = _abi.ELEMENTS[port.type.element]
    if numpy is not None and hasattr(value, "__array_interface__"):
        found = numpy.asarray(value)
        if found.dtype != numpy.dtype(numpy_name or "void"):
            raise TypeError(f"type {found.dtype}, expected {name} ({numpy_name})")
        found = found if found.flags.c_contiguous else numpy.array(found, order="C")
        return Made(runtime, port, found.shape, found)
    if isinstance(value, (array.array, memoryview)):
        view = memoryview(value)
        if view.format not in (code, "?" if name == "bool" else code):
            raise TypeError(f"format '{view.format}', expected {name} ('{code}')")
        return Made(runtime, port, view.shape, value)
    if _dlpack.is_foreign(value):
        return Made(runtime, port, value.shape, value)
    return None


def named(problem, name):
    """The same kind of error, whose words say which value it is about."""
    kind = next(each for each in (TypeError, OverflowError, BufferError, ValueError) if isinstance(problem, each))
    return kind(f"{name}: {problem}")


def known_bytes(known, shape):
    """One byte each, 0 or 1, of truth values in lists or an array of exactly this shape."""
    flat = bytearray()

    def walk(item, axis):
        item = item.tolist() if hasattr(item, "tolist") else item
        listed = isinstance(item, (list, tuple))
        if listed != (axis < len(shape)) or (listed and len(item) != shape[axis]):
            found = f"{len(item)} on axis {axis}" if listed else f"rank {axis}"
            raise ValueError(f"known has {found}, the values have shape {tuple(shape)}")
        if listed:
            for part in item:
                walk(part, axis + 1)
        elif item in (0, 1):
            flat.append(int(item))
        else:
            raise TypeError(f"known is of truth values, found {item!r}")

    walk(known, 0)
    return flat


def split_none(value, depth):
    """Whether there is a list at each place of nested lists, and the lists with an empty one for None."""
    if depth == 0:
        return value is not None, [] if value is None else value
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"expected lists in lists or None, found {type(value).__name__}")
    pairs = [split_none(item, depth - 1) for item in value]
    return [known for known, _ in pairs], [part for _, part in pairs]


def unmasked(port, value):
    """A NumPy masked array as Known: the mask says of each number what is said here of all that lie in one."""
    known = ~numpy.ma.getmaskarray(value)
    inner = tuple(range(port.known_axes, known.ndim))
    if not (known.all(axis=inner) == known.any(axis=inner)).all():
        raise ValueError("the mask covers a part of a value")
    return Known(numpy.ma.getdata(value), known.all(axis=inner))


def make_input(runtime, port, value, members):
    """A Made for an input; `members` maps names of its enum or axis, or is None."""
    unknown = bool(port.type.flags & _abi.MAY_BE_UNKNOWN)
    masked = numpy is not None and isinstance(value, numpy.ma.MaskedArray) and numpy.ma.is_masked(value)
    if not unknown and (masked or isinstance(value, Known)):
        raise TypeError("truth values of what is known, where nothing may be unknown")
    if masked:
        value = unmasked(port, value)
    if isinstance(value, Known):
        return make_known(runtime, port, make_input(runtime, port, value.values, members), value.known)
    made = borrow(runtime, port, value)
    if made is not None:
        return made

    rank, element = port.num_axes, port.type.element
    shape = shape_of(value, rank)
    known_bytes, flat = bytearray(), []

    def walk(item, axis):
        if item is None:
            if not unknown or axis > port.known_axes:
                raise TypeError("None, and it is never unknown: its type is declared without '?'")
            count = math.prod(shape[axis:])
            known_bytes.extend(bytes(math.prod(shape[axis : port.known_axes])))
            flat.extend([None] * count)
            return
        if axis == port.known_axes and unknown:
            known_bytes.append(1)
        if axis == rank:
            flat.append(item)
            return
        if not isinstance(item, (list, tuple)):
            raise TypeError(f"a list of rank {rank} is expected, found {item!r} in one of its lists")
        if len(item) != shape[axis]:
            raise TypeError(f"lists of {shape[axis]} and of {len(item)} on one axis")
        for part in item:
            walk(part, axis + 1)

    walk(value, 0)
    keep = []
    if element == 14:
        texts = (_abi.Text * max(1, len(flat)))()
        for slot, item in zip(texts, flat):
            data = b"" if item is None else item.encode() if isinstance(item, str) else bytes(memoryview(item))
            held = c.create_string_buffer(data, max(1, len(data)))
            keep.append(held)
            slot.data, slot.size = c.addressof(held), len(data)
        buffer = texts
    else:
        if members:
            flat = [member(item, members) for item in flat]
        flat = [0 if item is None else item for item in flat]
        if (port.type.unit or b"").startswith(b"p$") and any(item % 1 for item in flat if abs(item) < math.inf):
            wrong = next(item for item in flat if item % 1)
            raise ValueError(f"{wrong} is no whole number of picodollars; route.dollars({wrong}) gives these")
        code = _abi.ELEMENTS[element][1]
        raw = array.array(code, flat).tobytes() if code else b"".join(pack_scalar(element, item) for item in flat)
        buffer = (c.c_uint64 * max(1, (len(raw) + 7) // 8))()
        c.memmove(buffer, raw, len(raw))
    bits = (c.c_uint8 * max(1, len(known_bytes)))(*known_bytes) if unknown else None
    made = Made(runtime, port, shape, buffer, bits)
    made.keep += keep
    return made


def make_left_out(runtime, port, shape, first_id):
    """What the runtime makes up on the CPU for an input that a call leaves out."""
    count, size = math.prod(shape), runtime.route_element_size(port.type.element)
    buffer = (c.c_uint64 * max(1, (count * size + 7) // 8))()
    if port.role == _abi.ID:
        buffer[:count] = range(first_id, first_id + count)
    elif port.initial:
        c.memmove(buffer, c.string_at(port.initial, size) * count, count * size)
    unknown = port.type.flags & _abi.MAY_BE_UNKNOWN
    known = (c.c_uint8 * max(1, math.prod(shape[: port.known_axes])))() if unknown else None
    if unknown and (port.initial or port.role == _abi.ID):
        c.memset(known, 1, len(known))
    return Made(runtime, port, shape, buffer, known)


def make_given(runtime, port, value, name):
    """A Made over memory of the caller's for an output."""
    made = None if port.type.flags & _abi.MAY_BE_UNKNOWN else borrow(runtime, port, value)
    readonly = isinstance(value, (memoryview,)) and value.readonly
    if numpy is not None and isinstance(value, numpy.ndarray):
        readonly = not value.flags.writeable or not value.flags.c_contiguous
    if made is None or readonly:
        raise TypeError(f"output '{name}' goes to tensors and to writable arrays side by side, and not where it may be unknown")
    return made


def make_known(runtime, port, made, known):
    """`made` with these truth values; what it has as unknown itself stays so."""
    if not _dlpack.is_foreign(known) or not _dlpack.on_gpu(known):
        flat = known_bytes(known, made.shape[: port.known_axes])
        if made.known is not None:
            flat = bytes(a & b for a, b in zip(flat, made.known))
        known = (c.c_uint8 * max(1, len(flat)))(*flat)
    result = Made(runtime, port, made.shape, made.buffer, known)
    result.keep += made.keep
    return result


def member(item, members):
    """An enum's or a pool's member by name; numbers pass."""
    if not isinstance(item, (str, bytes)):
        return item
    name = item.decode() if isinstance(item, bytes) else item
    if name not in members:
        raise ValueError(f"'{name}' is not one of {', '.join(members)}")
    return members.index(name)


def make_output(runtime, port, shape, like=None):
    """A Made with zeroed memory, or a new tensor of the library that `like` is of, with memory of any content."""
    if like is not None and not port.type.flags & _abi.MAY_BE_UNKNOWN:
        tensor = _dlpack.empty(like, shape, port.type.element)
        if tensor is not None:
            return Made(runtime, port, shape, tensor)
    count = math.prod(shape)
    size = count * runtime.route_element_size(port.type.element)
    numpy_name = _abi.ELEMENTS[port.type.element][2]
    known = None
    if port.type.flags & _abi.MAY_BE_UNKNOWN:
        known = (c.c_uint8 * max(1, math.prod(shape[: port.known_axes])))()
    if numpy is not None and numpy_name:
        return Made(runtime, port, shape, numpy.zeros(shape, numpy_name), known)
    return Made(runtime, port, shape, (c.c_uint64 * max(1, (size + 7) // 8))(), known)


def read_output(made):
    """An output as NumPy or nested lists: texts as str, unknown values as None (with NumPy: a masked array)."""
    port, shape, element = made.port, made.shape, made.port.type.element
    if _dlpack.is_foreign(made.buffer):
        return made.buffer
    if numpy is not None and isinstance(made.buffer, numpy.ndarray):
        if made.known is None:
            return made.buffer
        known = numpy.frombuffer(made.known, dtype="uint8", count=math.prod(shape[: port.known_axes]))
        known = known.reshape(shape[: port.known_axes] + (1,) * (len(shape) - port.known_axes)) != 0
        return numpy.ma.array(made.buffer, mask=numpy.broadcast_to(~known, shape))
    count = math.prod(shape)
    if element == 14:
        texts = (_abi.Text * max(1, count)).from_buffer(made.buffer)
        flat = [c.string_at(t.data, t.size).decode(errors="replace") if t.data else "" for t in texts[:count]]
    else:
        name, code, _ = _abi.ELEMENTS[element]
        raw = bytes(made.buffer)
        if code:
            values = array.array(code)
            values.frombytes(raw[: count * values.itemsize])
            flat = [bool(v) for v in values] if name == "bool" else list(values)
        elif element == 10:
            flat = list(struct.unpack(f"<{count}e", raw[: 2 * count]))
        else:
            halves = struct.unpack(f"<{count}H", raw[: 2 * count])
            flat = [struct.unpack("<f", struct.pack("<I", half << 16))[0] for half in halves]
    if made.known is not None:
        inner = math.prod(shape[port.known_axes :])
        flat = [item if made.known[i // inner] else None for i, item in enumerate(flat)]
    return nest(flat, shape)


def nest(flat, shape):
    """Nested lists of this shape; the value itself for rank 0."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return list(flat)
    step = math.prod(shape[1:])
    return [nest(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
