"""Calls compiled .route libraries from Python, through the C interface of the runtime; no compiled code of its own.

    import route
    policy = route.load("libpolicy.so")
    policy.pick(prompt=["def f(): pass"], tier=["free"], jail=[None])
    # {'pick': [[1]], 'pick.count': [1], ...}; policy.members("models")[1] == "coder"
    policy.emit("failure", model="coder", now=5)

    gate = route.load("libgate.so", params=["model.safetensors"], threads=4)
    gate.gate(x=array)["p.weight"]            # NumPy arrays in, NumPy arrays out, where NumPy is installed

Libraries are called with the interpreter's lock released; one object may be used from several threads.
"""

import ctypes as c
import ctypes.util
import os

from . import _abi, _values

__all__ = ["Library", "RouteError", "load"]


class RouteError(Exception):
    """An error of the runtime: `status` is its name, e.g. "ROUTE_ERROR_TENSOR_SHAPE"."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _find_runtime():
    path = os.environ.get("ROUTE_RUNTIME") or ctypes.util.find_library("route_rt") or "libroute_rt.so"
    return _abi.declare(c.CDLL(path))


def load(path, params=(), threads=1, allow_extra=False, runtime=None):
    """Loads a library and binds its parameters.

    params: paths of safetensors files, or (label, path) pairs for files the source names. runtime: the path of
    libroute_rt.so (else $ROUTE_RUNTIME, else the system's). Raises RouteError.
    """
    return Library(path, params, threads, allow_extra, _abi.declare(c.CDLL(runtime)) if runtime else _find_runtime())


class Library:
    """A loaded library with its parameters and state. Entries are its attributes; names with a dot go through call()."""

    def __init__(self, path, params, threads, allow_extra, runtime):
        self._runtime = runtime
        self._module, self._context, self._pool = c.c_void_p(), c.c_void_p(), c.c_void_p()
        self._check(runtime.route_module_load, os.fsencode(path), c.byref(self._module))
        self._desc = runtime.route_module_descriptor(self._module).contents
        pairs = [(None, p) if isinstance(p, (str, bytes, os.PathLike)) else p for p in params]
        files = (_abi.File * max(1, len(pairs)))()
        for slot, (label, file) in zip(files, pairs):
            slot.label, slot.path = label.encode() if label else None, os.fsencode(file)
        options = _abi.ContextOptions(c.sizeof(_abi.ContextOptions), files, len(pairs), 1 if allow_extra else 0)
        self._check(runtime.route_context_create, self._module, c.byref(options), c.byref(self._context))
        self._workers = threads
        if threads > 1:
            self._check(runtime.route_threads_create, threads, c.byref(self._pool))
        self._entries = {self._desc.entries[i].name.decode(): i for i in range(self._desc.num_entries)}
        self._states = {self._desc.states[i].name.decode(): i for i in range(self._desc.num_states)}

    def __del__(self):
        runtime = getattr(self, "_runtime", None)
        if runtime is not None:
            runtime.route_context_release(self._context)
            runtime.route_module_release(self._module)
            runtime.route_threads_destroy(self._pool)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._entries:
            raise AttributeError(f"the library has no entry '{name}'; it has {', '.join(self.__dict__.get('_entries', ()))}")
        return lambda **inputs: self.call(name, **inputs)

    def __dir__(self):
        return [*super().__dir__(), *self._entries]

    @property
    def entries(self):
        """Names of all entries, events among them."""
        return list(self._entries)

    def call(self, entry, seed=0, id=0, now=0, **inputs):
        """Runs a router or a route; returns its outputs by name. Ports with a dot: pass **{"p.count": ...}."""
        return self._call(entry, False, seed, id, now, inputs)

    def emit(self, event, seed=0, id=0, now=0, **inputs):
        """Runs an event: its writes become visible to later calls."""
        return self._call(event, True, seed, id, now, inputs)

    def members(self, axis):
        """The names of an axis's or an enum's members, or None."""
        for i in range(self._desc.num_axes):
            item = self._desc.axes[i]
            if item.name.decode() == axis and item.members:
                return [item.members[k].decode() for k in range(item.size)]
        for i in range(self._desc.num_enums):
            item = self._desc.enums[i]
            if item.name.decode() == axis:
                return [item.members[k].decode() for k in range(item.num_members)]
        return None

    def state(self, cell):
        """A copy of a state cell."""
        index = self._states[cell]
        port = self._state_port(index)
        shape = [self._extent(port.axes[i]) for i in range(port.num_axes)]
        made = _values.make_output(self._runtime, port, shape)
        size = self._runtime.route_state_size(self._context, index)
        self._check(self._runtime.route_state_read, self._context, index, _values.address(made.buffer), size)
        return _values.read_output(made)

    def set_state(self, cell, value):
        """Replaces a state cell, as an event would."""
        index = self._states[cell]
        port = self._state_port(index)
        made = _values.make_input(self._runtime, port, value, None)
        shape = tuple(self._extent(port.axes[i]) for i in range(port.num_axes))
        if made.shape != shape:
            raise ValueError(f"state cell '{cell}' has shape {shape}, found {made.shape}")
        size = self._runtime.route_state_size(self._context, index)
        self._check(self._runtime.route_state_write, self._context, index, _values.address(made.buffer), size)

    @property
    def epoch(self):
        """Events and state writes so far."""
        return self._runtime.route_context_epoch(self._context)

    def _extent(self, axis):
        item = self._desc.axes[axis]
        return item.size if item.size >= 0 else item.max_size

    def _state_port(self, index):
        state = self._desc.states[index]
        return _abi.Port(state.name, state.type, state.axes, state.num_axes)

    def _check(self, function, *arguments):
        error = _abi.Error()
        status = function(*arguments, c.byref(error))
        if status:
            raise RouteError(self._runtime.route_status_name(status).decode(), error.message.decode(errors="replace"))

    def _members_of(self, kind):
        if kind.enumeration >= 0:
            return self.members(self._desc.enums[kind.enumeration].name.decode())
        if kind.rows_of >= 0:
            return self.members(self._desc.axes[kind.rows_of].name.decode())
        return None

    def _call(self, name, event, seed, id, now, inputs):
        if name not in self._entries:
            raise RouteError("ROUTE_ERROR_NO_ENTRY", f"no entry '{name}'; there are {', '.join(self._entries)}")
        index = self._entries[name]
        entry = self._desc.entries[index]
        runtime = self._runtime
        arguments = (_abi.Argument * max(1, entry.num_inputs))()
        kept = []
        for i in range(entry.num_inputs):
            port = entry.inputs[i]
            value = inputs.pop(port.name.decode(), None)
            if value is None:
                continue
            try:
                made = _values.make_input(runtime, port, value, self._members_of(port.type))
            except (TypeError, ValueError, OverflowError) as problem:
                raise type(problem)(f"input '{port.name.decode()}': {problem}") from None
            kept.append(made)
            arguments[i] = made.argument
        if inputs:
            raise TypeError(f"entry '{name}' has no input '{next(iter(inputs))}'")
        call = _abi.Call(c.sizeof(_abi.Call), arguments, entry.num_inputs)
        call.seed, call.id, call.now, call.workers = seed, id, now, self._workers
        if self._pool:
            call.parallel_for = c.cast(runtime.route_threads_run, c.c_void_p)
            call.pool = self._pool
        sizes = (c.c_int64 * (self._desc.num_axes + 1))()
        self._check(runtime.route_call_sizes, self._context, index, c.byref(call), sizes)
        outputs = (_abi.Argument * max(1, entry.num_outputs))()
        results = {}
        for i in range(entry.num_outputs):
            port = entry.outputs[i]
            shape = (c.c_int64 * (port.num_axes + 1))()
            self._check(runtime.route_port_shape, self._module, c.byref(port), sizes, shape)
            made = _values.make_output(runtime, port, tuple(shape[: port.num_axes]))
            outputs[i] = made.argument
            results[port.name.decode()] = made
        size = c.c_uint64()
        self._check(runtime.route_workspace_size, self._context, index, sizes, self._workers, c.byref(size))
        workspace = c.create_string_buffer(size.value + 64)
        call.workspace = (c.addressof(workspace) + 63) // 64 * 64
        call.workspace_size = size.value
        call.outputs, call.num_outputs = outputs, entry.num_outputs
        self._check(runtime.route_emit if event else runtime.route_decide, self._context, index, c.byref(call))
        # Texts point into the inputs: read them while those live.
        return {key: _values.read_output(made) for key, made in results.items()}
