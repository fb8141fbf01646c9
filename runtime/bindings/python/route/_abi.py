"""The C structs of route_module.h, route_tensor.h and route.h for ctypes, field by field."""

import ctypes as c

P = c.POINTER


class Text(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_int64)]


class Type(c.Structure):
    _fields_ = [("element", c.c_uint32), ("flags", c.c_uint32), ("enumeration", c.c_int32), ("rows_of", c.c_int32),
                ("unit", c.c_char_p)]


class Axis(c.Structure):
    _fields_ = [("name", c.c_char_p), ("size", c.c_int64), ("max_size", c.c_int64), ("derived_size", c.c_void_p),
                ("members", P(c.c_char_p)), ("parent", c.c_int32), ("flags", c.c_uint32)]


class Enum(c.Structure):
    _fields_ = [("name", c.c_char_p), ("members", P(c.c_char_p)), ("num_members", c.c_uint64)]


class ParamDesc(c.Structure):
    _fields_ = [("name", c.c_char_p), ("file", c.c_char_p), ("tensor", c.c_char_p), ("type", Type),
                ("axes", P(c.c_uint32)), ("num_axes", c.c_uint64), ("packed_size", c.c_uint64), ("pack", c.c_void_p),
                ("layout", c.c_uint32), ("stored", c.c_uint32)]


class State(c.Structure):
    _fields_ = [("name", c.c_char_p), ("file", c.c_char_p), ("tensor", c.c_char_p), ("type", Type),
                ("axes", P(c.c_uint32)), ("num_axes", c.c_uint64), ("initial", c.c_void_p), ("flags", c.c_uint32),
                ("meaning", c.c_uint32)]


class Reject(c.Structure):
    _fields_ = [("reason", c.c_char_p), ("code", c.c_int64)]


class Port(c.Structure):
    _fields_ = [("name", c.c_char_p), ("type", Type), ("axes", P(c.c_uint32)), ("num_axes", c.c_uint64),
                ("initial", c.c_void_p), ("timeout_ns", c.c_int64), ("known_axes", c.c_uint32), ("role", c.c_uint32),
                ("subject", c.c_int32), ("reserved", c.c_uint32)]


class Variant(c.Structure):
    _fields_ = [("name", c.c_char_p), ("fn", c.c_void_p), ("features", c.c_uint64), ("device", c.c_uint32),
                ("reserved", c.c_uint32), ("host_ports", P(c.c_uint32)), ("num_host_ports", c.c_uint64),
                ("host_workspace_size", c.c_void_p), ("host_fn", c.c_void_p)]


class Entry(c.Structure):
    _fields_ = [("name", c.c_char_p), ("summary", c.c_char_p), ("inputs", P(Port)), ("num_inputs", c.c_uint64),
                ("outputs", P(Port)), ("num_outputs", c.c_uint64), ("reads", P(c.c_uint32)), ("num_reads", c.c_uint64),
                ("writes", P(c.c_uint32)), ("num_writes", c.c_uint64), ("workspace_size", c.c_void_p),
                ("variants", P(Variant)), ("num_variants", c.c_uint64), ("kind", c.c_uint32), ("item_axis", c.c_int32)]


class Module(c.Structure):
    _fields_ = [("magic", c.c_uint32), ("abi_version", c.c_uint32), ("struct_size", c.c_uint64), ("name", c.c_char_p),
                ("source_hash", c.c_char_p), ("compiler_version", c.c_char_p), ("unicode_version", c.c_char_p),
                ("target", c.c_char_p), ("features", c.c_uint64), ("axes", P(Axis)), ("num_axes", c.c_uint64),
                ("enums", P(Enum)), ("num_enums", c.c_uint64), ("pools", c.c_void_p), ("num_pools", c.c_uint64),
                ("params", P(ParamDesc)), ("num_params", c.c_uint64), ("states", P(State)), ("num_states", c.c_uint64),
                ("notes", c.c_void_p), ("num_notes", c.c_uint64), ("budgets", c.c_void_p), ("num_budgets", c.c_uint64),
                ("rejects", P(Reject)), ("num_rejects", c.c_uint64), ("entries", P(Entry)), ("num_entries", c.c_uint64),
                ("device_code", c.c_void_p)]


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("message", c.c_char * 508)]


class DType(c.Structure):
    _fields_ = [("code", c.c_uint8), ("bits", c.c_uint8), ("lanes", c.c_uint16)]


class Tensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("device_type", c.c_int32), ("device_id", c.c_int32), ("ndim", c.c_int32),
                ("dtype", DType), ("shape", P(c.c_int64)), ("strides", P(c.c_int64)), ("byte_offset", c.c_uint64)]


class Argument(c.Structure):
    _fields_ = [("tensor", P(Tensor)), ("known", P(Tensor))]


class File(c.Structure):
    _fields_ = [("label", c.c_char_p), ("path", c.c_char_p), ("data", c.c_void_p), ("size", c.c_uint64)]


class Param(c.Structure):
    _fields_ = [("name", c.c_char_p), ("tensor", P(Tensor))]


class ContextOptions(c.Structure):
    _fields_ = [("struct_size", c.c_uint64), ("files", P(File)), ("num_files", c.c_uint64), ("flags", c.c_uint64),
                ("features_mask", c.c_uint64), ("execute", c.c_void_p), ("execute_user", c.c_void_p),
                ("params", P(Param)), ("num_params", c.c_uint64)]


class Call(c.Structure):
    _fields_ = [("struct_size", c.c_uint64), ("inputs", P(Argument)), ("num_inputs", c.c_uint64),
                ("outputs", P(Argument)), ("num_outputs", c.c_uint64), ("workspace", c.c_void_p),
                ("workspace_size", c.c_uint64), ("seed", c.c_uint64), ("id", c.c_uint64), ("now", c.c_int64),
                ("stream", c.c_void_p), ("parallel_for", c.c_void_p), ("pool", c.c_void_p), ("workers", c.c_int64),
                ("trace", c.c_void_p), ("host_workspace", c.c_void_p), ("host_workspace_size", c.c_uint64)]


SIZES = {Text: 16, Type: 24, Axis: 48, Enum: 24, ParamDesc: 88, State: 80, Reject: 16, Port: 80, Variant: 64, Entry: 112, Module: 216,
         Tensor: 48}
for _struct, _size in SIZES.items():
    assert c.sizeof(_struct) == _size, _struct.__name__

MAY_BE_UNKNOWN = 1
CONTEXT_ALLOW_EXTRA, CONTEXT_CUDA, CONTEXT_HOST_COPIES = 1, 2, 4
ROUTER, ROUTE, EVENT = 1, 2, 3
OFFSETS, ID, KNOWN = 1, 2, 10
DEVICE_CUDA = 2
PLAN_INDEX, PLAN_COUNT, PLAN_STATUS, PLAN_COLUMN = 3, 4, 5, 6

# Element number -> name, array typecode (None: bytes made by hand), NumPy type.
ELEMENTS = {
    1: ("bool", "B", "bool"), 2: ("i8", "b", "int8"), 3: ("i16", "h", "int16"), 4: ("i32", "i", "int32"),
    5: ("i64", "q", "int64"), 6: ("u8", "B", "uint8"), 7: ("u16", "H", "uint16"), 8: ("u32", "I", "uint32"),
    9: ("u64", "Q", "uint64"), 10: ("f16", None, "float16"), 11: ("bf16", None, "uint16"), 12: ("f32", "f", "float32"),
    13: ("f64", "d", "float64"), 14: ("text", None, None), 15: ("handle", "Q", "uint64"),
}


AdoptFn = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p, c.c_char_p)


def declare(library):
    """Gives the library's functions their types."""
    table = {
        "route_module_load": (c.c_int, [c.c_char_p, P(c.c_void_p), P(Error)]),
        "route_module_release": (None, [c.c_void_p]),
        "route_module_descriptor": (P(Module), [c.c_void_p]),
        "route_context_create": (c.c_int, [c.c_void_p, P(ContextOptions), P(c.c_void_p), P(Error)]),
        "route_context_release": (None, [c.c_void_p]),
        "route_context_variant": (c.c_char_p, [c.c_void_p, c.c_uint32]),
        "route_context_epoch": (c.c_uint64, [c.c_void_p]),
        "route_call_sizes": (c.c_int, [c.c_void_p, c.c_uint32, P(Call), P(c.c_int64), P(Error)]),
        "route_port_shape": (c.c_int, [c.c_void_p, P(Port), P(c.c_int64), P(c.c_int64), P(Error)]),
        "route_workspace_size": (c.c_int, [c.c_void_p, c.c_uint32, P(c.c_int64), c.c_int64, P(c.c_uint64), P(Error)]),
        "route_host_workspace_size": (c.c_int, [c.c_void_p, c.c_uint32, P(c.c_int64), c.c_int64, P(c.c_uint64), P(Error)]),
        "route_decide": (c.c_int, [c.c_void_p, c.c_uint32, P(Call), P(Error)]),
        "route_emit": (c.c_int, [c.c_void_p, c.c_uint32, P(Call), P(Error)]),
        "route_state_size": (c.c_uint64, [c.c_void_p, c.c_uint32]),
        "route_state_read": (c.c_int, [c.c_void_p, c.c_uint32, c.c_void_p, c.c_uint64, P(Error)]),
        "route_state_push": (c.c_int, [c.c_void_p, c.c_uint32, c.c_void_p, c.c_uint64, c.c_void_p, c.c_int64, P(Error)]),
        "route_state_write": (c.c_int, [c.c_void_p, c.c_uint32, c.c_void_p, c.c_uint64, P(Error)]),
        "route_state_upload": (c.c_int, [c.c_void_p, c.c_void_p, P(Error)]),
        "route_context_adopt": (c.c_int, [c.c_void_p, c.c_void_p, AdoptFn, c.c_void_p, P(Error)]),
        "route_threads_create": (c.c_int, [c.c_int64, P(c.c_void_p), P(Error)]),
        "route_threads_destroy": (None, [c.c_void_p]),
        "route_element_dtype": (DType, [c.c_uint32]),
        "route_element_size": (c.c_uint64, [c.c_uint32]),
        "route_status_name": (c.c_char_p, [c.c_int32]),
        "route_version": (c.c_char_p, []),
    }
    for name, (result, arguments) in table.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
