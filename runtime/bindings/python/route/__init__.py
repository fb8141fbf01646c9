"""Calls compiled .route libraries from Python, through the C interface of the runtime; no compiled code of its own.

    import route
    policy = route.load("libpolicy.so")
    policy.pick(prompt=["def f(): pass"], tier=["free"], jail=[None])
    # {'pick': [[1]], 'pick.count': [1], ...}; policy.members("models")[1] == "coder"
    policy.emit("on.failure", m="coder", code=503, request=0, now=5 * 10**9)  # the time is in nanoseconds

    gate = route.load("libgate.so", params=["model.safetensors"], threads=4)
    gate.gate(x=array)["p.weight"]            # NumPy arrays in, NumPy arrays out, where NumPy is installed

    layer = route.load("liblayer.so", tensors={"gate.w": weight, ...}, cuda=True)
    layer.layer(x=hidden)["layer"]            # torch tensors on a GPU in and out, nothing is copied, on torch's stream

Libraries are called with the interpreter's lock released; one object may be used from several threads.
"""

import contextlib
import ctypes as c
import ctypes.util
import decimal
import difflib
import os

from . import _abi, _dlpack, _values
from ._values import Known

__all__ = ["Known", "Library", "RouteError", "dollars", "load"]


class RouteError(Exception):
    """An error of the runtime: `status` is its name, e.g. "ROUTE_ERROR_TENSOR_SHAPE"."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def _in_python(message):
    """A message of the runtime, with options as load() takes them."""
    for name, option in (("ROUTE_CONTEXT_CUDA", "cuda=True"), ("ROUTE_CONTEXT_HOST_COPIES", "host_copies=True")):
        message = message.replace(f"make the context with {name}", f"load the library with {option}")
        message = message.replace(f"the context was made without {name}", f"the library was loaded without {option}")
        message = message.replace(f"the context is made without {name}", f"the library is loaded without {option}")
    return message + "; allow_extra=True lets a file have more" if message.startswith("nothing binds tensor") else message


def _find_runtime():
    path = os.environ.get("ROUTE_RUNTIME") or ctypes.util.find_library("route_rt") or "libroute_rt.so"
    try:
        return _abi.declare(c.CDLL(path))
    except OSError as problem:
        raise OSError(f"the runtime cannot be loaded: {problem}; ROUTE_RUNTIME=/path/to/libroute_rt.so names its file, "
                      "as does load(runtime=...)") from None


def dollars(amount):
    """An amount of money, or a list of them, as libraries take it: whole picodollars. A price a token is one in $/tok."""
    if isinstance(amount, (list, tuple)):
        return [dollars(item) for item in amount]
    return None if amount is None else float(round(decimal.Decimal(str(amount)).scaleb(12)))


def load(path, params=(), threads=1, allow_extra=False, runtime=None, tensors=None, cuda=False, host_copies=False):
    """Loads a library and binds its parameters.

    params: paths of safetensors files, or (label, path) pairs for files the source names. tensors: parameters by name
    (`Library.parameters`) that are in memory already, as tensors that speak DLPack, read where they lie, and first values
    of state that would come from a file, which are copied. cuda: calls
    may have tensors on the GPU of the thread's current CUDA context, or of `tensors`; with parameters there, they must,
    but with host_copies, for which those are copied to the host's memory too.
    runtime: the path of libroute_rt.so (else $ROUTE_RUNTIME, else the system's). Raises RouteError.
    """
    return Library(path, params, threads, allow_extra, _abi.declare(c.CDLL(runtime)) if runtime else _find_runtime(),
                   tensors or {}, cuda, host_copies)


class Library:
    """A loaded library with its parameters and state. Entries are its attributes; names with a dot go through call()."""

    def __init__(self, path, params, threads, allow_extra, runtime, tensors, cuda, host_copies):
        self._runtime = runtime
        self._module, self._context, self._pool = c.c_void_p(), c.c_void_p(), c.c_void_p()
        self._check(runtime.route_module_load, os.fsencode(path), c.byref(self._module))
        self._desc = runtime.route_module_descriptor(self._module).contents
        pairs = [(None, p) if isinstance(p, (str, bytes, os.PathLike)) else p for p in params]
        files = (_abi.File * max(1, len(pairs)))()
        for slot, (label, file) in zip(files, pairs):
            slot.label, slot.path = label.encode() if label else None, os.fsencode(file)
        flags = (_abi.CONTEXT_ALLOW_EXTRA if allow_extra else 0) | (_abi.CONTEXT_CUDA if cuda else 0)
        flags |= _abi.CONTEXT_HOST_COPIES if host_copies else 0
        options = _abi.ContextOptions(c.sizeof(_abi.ContextOptions), files, len(pairs), flags)
        given = (_abi.Param * max(1, len(tensors)))()
        self._borrowed = []  # as long as the context
        device = contextlib.nullcontext()
        for slot, (name, tensor) in zip(given, tensors.items()):
            if not _dlpack.speaks(tensor):
                raise TypeError(f"parameter '{name}' is no tensor that speaks DLPack")
            tensor = tensor.detach() if _dlpack.is_torch(tensor) else _values.lendable(tensor)
            if _dlpack.on_gpu(tensor):
                device = _dlpack.device_of(tensor)
            try:
                self._borrowed.append(_dlpack.Borrowed(tensor))
            except BufferError as problem:
                raise _values.named(_dlpack.explained(problem, tensor), f"parameter '{name}'") from None
            slot.name, slot.tensor = name.encode(), c.pointer(self._borrowed[-1].tensor)
        options.params, options.num_params = given, len(tensors)
        with device:
            self._check(runtime.route_context_create, self._module, c.byref(options), c.byref(self._context))
        self._workers = threads
        if threads > 1:
            self._check(runtime.route_threads_create, threads, c.byref(self._pool))
        self._entries = {self._desc.entries[i].name.decode(): i for i in range(self._desc.num_entries)}
        self._states = {self._desc.states[i].name.decode(): i for i in range(self._desc.num_states)}
        self._ports = {}  # what hangs on the entry alone
        self._prepared = {}  # what calls with inputs of these shapes need

    def __del__(self):
        runtime = getattr(self, "_runtime", None)
        if runtime is not None:
            runtime.route_context_release(self._context)
            runtime.route_module_release(self._module)
            runtime.route_threads_destroy(self._pool)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._entries:
            raise AttributeError(f"the library has no entry '{name}'; it has {', '.join(self.__dict__.get('_entries', ()))}")
        return lambda inputs=None, /, **named: self.call(name, inputs, **named)

    def __dir__(self):
        return [*super().__dir__(), *self._entries]

    @property
    def entries(self):
        """Names of all entries, events among them."""
        return list(self._entries)

    @property
    def parameters(self):
        """Shapes of the parameters, and of state whose first values come with them, by the names that load(tensors=) takes."""
        params = [self._desc.params[i] for i in range(self._desc.num_params)]
        params += [state for state in (self._desc.states[i] for i in range(self._desc.num_states)) if state.tensor]
        return {p.name.decode(): tuple(self._extent(p.axes[i]) for i in range(p.num_axes)) for p in params}

    def call(self, entry, inputs=None, /, *, seed=0, id=0, now=0, out=None, **named):
        """Runs a router or a route; returns its outputs by name.

        Inputs go by name, as keywords or in the mapping `inputs`, which takes any name: {"p.count": ..., "id": ...}.
        seed and id draw the numbers of random(); now: the time in nanoseconds since 1970, as time.time_ns() gives it. Money is in picodollars: dollars(0.01).
        None is unknown; arrays have no None: Known(array, known), or a NumPy masked array.
        A list that each item has its own of, or a column of a nested axis, is a list of lists; its offsets follow.
        out: tensors or writable arrays by the names of outputs, which go there; others are new. The mapping that a call
        returned may be given again, for items as many.

        With tensors on a GPU it starts the work on their library's current stream and returns; outputs are new tensors
        there. Texts, and what the CPU's part of such a call reads with them, stay lists or arrays of the host. Other lists,
        and what is left out that may be, become tensors on the GPU, a copy each, which waits; arrays of the host are errors. An entry
        without code for the GPU waits for the stream and runs on the CPU, on copies. Pinned tensors of the host's that a call
        on the GPU takes are read when the stream gets there: they stay, and stay as they are, until then. A call of which nothing runs on the
        CPU may be captured in a CUDA graph, whose runs read state as it is on the GPU then.
        """
        return self._call(entry, False, {"seed": seed, "id": id, "now": now}, inputs, named, out)

    def emit(self, event, inputs=None, /, *, seed=0, id=0, now=0, **named):
        """Runs an event: its writes become visible to later calls. Inputs, seed, id and now are as for call().

        The mapping may be what the event's router gave, emit("gate.commit", plan), or the route that runs it,
        emit("layer.gate.commit", result): outputs that the event does not take are left aside, other names are errors.

        With tensors on a GPU it changes state there and returns; on the CPU, state() and calls that read what it has
        changed wait for it.
        """
        return self._call(event, True, {"seed": seed, "id": id, "now": now}, inputs, named, None)

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
        index = self._cell(cell)
        port = self._state_port(index)
        shape = [self._extent(port.axes[i]) for i in range(port.num_axes)]
        made = _values.make_output(self._runtime, port, shape)
        size = self._runtime.route_state_size(self._context, index)
        self._check(self._runtime.route_state_read, self._context, index, _values.address(made.buffer), size)
        return _values.read_output(made)

    def set_state(self, cell, value):
        """Replaces a state cell, as an event would."""
        index = self._cell(cell)
        made = self._make_cell(index, cell, value)
        size = self._runtime.route_state_size(self._context, index)
        self._check(self._runtime.route_state_write, self._context, index, made.address(), size)

    def push(self, column, value, now, known=None):
        """Gives a live column new values, as of now, in ns.

        Where the column may be unknown (`live queue: u32?`) or go stale, None and Known say which there are none of, and
        so does known, truth values of the same shape.
        """
        index = self._cell(column)
        made = self._make_cell(index, column, value, f"{column}.pushed" in self._states)
        size = self._runtime.route_state_size(self._context, index)
        try:
            if known is not None:
                known = bytes(_values.known_bytes(known, made.shape))
                if made.known is not None:
                    known = bytes(a & b for a, b in zip(known, made.known))
        except (TypeError, ValueError) as problem:
            raise _values.named(problem, f"'{column}'") from None
        flags = known if known is not None or made.known is None else bytes(made.known)
        self._check(self._runtime.route_state_push, self._context, index, made.address(), size, flags,
                    now)

    def upload(self, stream=0):
        """Brings state that was changed on the CPU to the GPU, on a stream, as torch.cuda.Stream.cuda_stream gives it.

        Calls on the GPU do that by themselves; runs of a CUDA graph do not.
        """
        self._check(self._runtime.route_state_upload, self._context, stream)

    def adopt(self, previous):
        """Takes over the state of another library, an earlier version of this one.

        Cells go by name, and what they hold of the rows of a pool or the members of an enumeration by theirs. Returns
        what does not go over, in words, by the names of cells: rows that are new or gone, cells of another type.
        """
        lost = {}
        report = _abi.AdoptFn(lambda _, cell, what: lost.__setitem__(cell.decode(), what.decode()))
        self._check(self._runtime.route_context_adopt, self._context, previous._context, report, None)
        return lost

    @property
    def epoch(self):
        """Events and state writes so far."""
        return self._runtime.route_context_epoch(self._context)

    def _cell(self, name):
        if name not in self._states:
            near = difflib.get_close_matches(name, self._states, 1)
            raise KeyError(f"no state cell '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
                           + f"; there are {', '.join(self._states) or 'none'}")
        return self._states[name]

    def _make_cell(self, index, name, value, optional=False):
        """The value as the cell has it in memory; of no other shape, for the runtime is given the cell's size."""
        port = self._state_port(index)
        if optional:
            port.type.flags |= _abi.MAY_BE_UNKNOWN
            port.known_axes = port.num_axes
        try:
            made = _values.make_input(self._runtime, port, _dlpack.on_cpu(value), self._members_of(port.type))
            made.check_plain()  # the runtime is given an address
        except (TypeError, ValueError, OverflowError, BufferError) as problem:
            raise _values.named(problem, f"'{name}'") from None
        shape = tuple(self._extent(port.axes[i]) for i in range(port.num_axes))
        if made.shape != shape:
            raise ValueError(f"state cell '{name}' has shape {shape}, found {made.shape}")
        return made

    def _nest(self, entry, port):
        """The axes that lists in lists lie along, from the outermost: (axis, name of its offsets). None: one list is all."""
        offsets = {entry.inputs[i].subject: entry.inputs[i].name.decode() for i in range(entry.num_inputs)
                   if entry.inputs[i].role == _abi.OFFSETS}
        nest, axis = [], port.axes[0] if port.num_axes else -1
        while axis in offsets and len(nest) < len(offsets):
            nest.insert(0, (axis, offsets[axis]))
            axis = self._desc.axes[axis].parent
        return nest

    def _find_none(self, entry, inputs):
        """Says of lists that there may be none of which there are, where `NAME.known` does not; none has no members."""
        for i in range(entry.num_inputs):
            port = entry.inputs[i]
            name = port.name.decode()
            lists = name.removesuffix(".known")
            if port.role != _abi.KNOWN or name in inputs:
                continue
            if inputs.get(lists) is None:  # left out: the runtime makes up that there is none
                inputs.pop(lists, None)
                continue
            depth = len(self._nest(entry, port)) + port.num_axes
            try:
                inputs[name], value = _values.split_none(inputs.pop(lists), depth)
            except TypeError as problem:
                raise TypeError(f"input '{lists}': {problem}") from None
            if port.subject >= 0:  # an entry may ask only whether there are any
                inputs[lists] = value

    def _split_lists(self, entry, inputs):
        """Lists in lists along nested axes as one list, and the offsets of these axes, where they are not given."""
        given = set(inputs)
        for i in range(entry.num_inputs):
            port = entry.inputs[i]
            name = port.name.decode()
            nest = self._nest(entry, port)
            # Within offsets that are given a list goes through all parents.
            while any(offsets in given for _, offsets in nest[:-1]):
                nest.pop(0)
            if not nest or nest[-1][1] in given or port.role == _abi.OFFSETS:
                continue
            value = inputs.get(name)
            for depth, (_, offsets) in enumerate(nest):
                if not isinstance(value, (list, tuple)) or not all(isinstance(item, (list, tuple)) for item in value):
                    if depth:
                        raise TypeError(f"input '{name}': lists in lists, {len(nest) + 1} deep, are expected, found {depth + 1}")
                    break
                ends = [0]
                for item in value:
                    ends.append(ends[-1] + len(item))
                if inputs.setdefault(offsets, ends) != ends:
                    raise ValueError(f"input '{name}': lists of other lengths than those of another column")
                value = [part for item in value for part in item]
            if value is not None:
                inputs[name] = value

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
            raise RouteError(self._runtime.route_status_name(status).decode(),
                             _in_python(error.message.decode(errors="replace")))

    def _members_of(self, kind):
        if kind.enumeration >= 0:
            return self.members(self._desc.enums[kind.enumeration].name.decode())
        if kind.rows_of >= 0:
            return self.members(self._desc.axes[kind.rows_of].name.decode())
        return None

    def _ports_of(self, index):
        """What of an entry's ports calls ask for each time."""
        found = self._ports.get(index)
        if found is None:
            found = self._ports[index] = _Ports(self, self._desc.entries[index])
        return found

    def _call(self, name, event, options, inputs, named, out):
        if name not in self._entries:
            raise RouteError("ROUTE_ERROR_NO_ENTRY", f"no entry '{name}'; there are {', '.join(self._entries)}")
        for option, value in options.items():
            if not hasattr(value, "__index__"):
                raise TypeError(f"{option} is a whole number; an input of this name goes into the mapping: "
                                f"{name}({{'{option}': ...}})")
        index = self._entries[name]
        ports = self._ports_of(index)
        if inputs is not None and not hasattr(inputs, "keys"):
            first = ports.inputs[0][1] if ports.inputs else "x"
            raise TypeError(f"inputs go by name, {name}({first}=...), or in a mapping; found a {type(inputs).__name__}")
        inputs = dict(inputs) if inputs is not None else {}
        twice = [each for each in inputs if each in named]
        if twice:
            raise TypeError(f"input '{twice[0]}' is given twice")
        if event:
            inputs = self._without_others(name, ports, inputs)
        inputs.update(named)
        entry, runtime = ports.entry, self._runtime
        if ports.has_lists:
            self._find_none(entry, inputs)
            self._split_lists(entry, inputs)
        arguments = (_abi.Argument * max(1, len(ports.inputs)))()
        kept, key, like = [], [name, self._workers], None
        for i, (port, input_name, members) in enumerate(ports.inputs):
            value = inputs.pop(input_name, None)
            made = None
            if value is not None:
                try:
                    made = _values.make_input(runtime, port, value, members)
                except (TypeError, ValueError, OverflowError, BufferError) as problem:
                    raise _values.named(problem, f"input '{input_name}'") from None
                arguments[i] = made.argument
                if _dlpack.is_foreign(made.buffer) and (like is None or _dlpack.on_gpu(made.buffer) > _dlpack.on_gpu(like)):
                    like = made.buffer
            kept.append(made)
            key.append(None if made is None else made.shape)
        if inputs:
            raise TypeError(f"entry '{name}' has no input '{next(iter(inputs))}'")
        gpu = like is not None and _dlpack.on_gpu(like)
        call = _abi.Call(c.sizeof(_abi.Call), arguments, len(ports.inputs))
        call.seed, call.id, call.now, call.workers = *options.values(), self._workers
        if self._pool:
            call.parallel_for = c.cast(runtime.route_threads_run, c.c_void_p)
            call.pool = self._pool
        if gpu and ports.on_gpu:
            self._bring(index, ports, call, kept, arguments, like)
        key.append(gpu)
        shapes, size, host_size = self._prepare(index, call, tuple(key))
        outputs = (_abi.Argument * max(1, len(ports.outputs)))()
        results = {}
        for i, ((port, output_name), shape) in enumerate(zip(ports.outputs, shapes)):
            given = None if out is None else out.get(output_name)
            if given is not None:
                made = _values.make_given(runtime, port, given, output_name)
            else:
                made = _values.make_output(runtime, port, shape, None if len(ports.inputs) + i in ports.host else like)
            outputs[i] = made.argument
            results[output_name] = made
        for other in out or ():
            if other not in results:
                raise TypeError(f"entry '{name}' has no output '{other}'")
        workspace = _dlpack.empty(like, (size + 64,), 6) if like is not None else None
        if workspace is not None:
            borrowed = _dlpack.Borrowed(workspace)
            start = borrowed.tensor.data
        elif gpu:
            raise TypeError(f"calls on a GPU take tensors of torch or CuPy, which can make what they need there; of "
                            f"{type(like).__module__.partition('.')[0]} make these, by their from_dlpack()")
        else:
            workspace = c.create_string_buffer(size + 64)
            start = c.addressof(workspace)
        call.workspace = (start + 63) // 64 * 64
        call.workspace_size = size
        if gpu and host_size:
            host_workspace = c.create_string_buffer(host_size + 64)
            call.host_workspace = (c.addressof(host_workspace) + 63) // 64 * 64
            call.host_workspace_size = host_size
        call.outputs, call.num_outputs = outputs, len(ports.outputs)
        if gpu:
            call.stream = _dlpack.stream_of(like)
        self._check(runtime.route_emit if event else runtime.route_decide, self._context, index, c.byref(call))
        # Texts point into the inputs: read them while those live.
        return {key: _values.read_output(made) for key, made in results.items()}

    def _without_others(self, event, ports, inputs):
        """What an event takes of the outputs of its router, or of the route that runs it."""
        name = event
        while name and (name == event or name not in self._entries):
            name = name.rpartition(".")[0]
        if not name:
            return inputs
        router = self._entries[name]
        others = {name for _, name in self._ports_of(router).outputs} - {name for _, name, _ in ports.inputs}
        return {name: value for name, value in inputs.items() if name not in others}

    def _bring(self, index, ports, call, kept, arguments, like):
        """Brings lists, and what a call leaves out, to the GPU."""
        def bring(i, made):
            try:
                kept[i] = made.bring(self._runtime, like)
            except TypeError as problem:
                raise _values.named(problem, f"input '{ports.inputs[i][1]}'") from None
            arguments[i] = kept[i].argument

        left_out = []
        for i, (port, name, _) in enumerate(ports.inputs):
            made = kept[i]
            if i in ports.host:
                continue
            if made is None:
                left_out.append((i, port))
                continue
            if not made.is_converted() and not _dlpack.on_gpu_or_none(made.buffer):
                raise TypeError(f"input '{name}' is in the host's memory, and others are on a GPU: lists are brought there, "
                                "arrays and tensors are not")
            if not made.is_complete_on_gpu():
                bring(i, made)
        if not left_out:
            return
        sizes = (c.c_int64 * (self._desc.num_axes + 1))()
        self._check(self._runtime.route_call_sizes, self._context, index, c.byref(call), sizes)
        for i, port in left_out:
            shape = (c.c_int64 * (port.num_axes + 1))()
            self._check(self._runtime.route_port_shape, self._module, c.byref(port), sizes, shape)
            bring(i, _values.make_left_out(self._runtime, port, tuple(shape[: port.num_axes]), call.id))

    def _prepare(self, index, call, key):
        """Shapes of the outputs and bytes of workspace, which hang on nothing but the inputs' shapes."""
        found = self._prepared.get(key)
        if found is not None:
            return found
        entry, runtime = self._desc.entries[index], self._runtime
        sizes = (c.c_int64 * (self._desc.num_axes + 1))()
        self._check(runtime.route_call_sizes, self._context, index, c.byref(call), sizes)
        shapes = []
        for i in range(entry.num_outputs):
            port = entry.outputs[i]
            shape = (c.c_int64 * (port.num_axes + 1))()
            self._check(runtime.route_port_shape, self._module, c.byref(port), sizes, shape)
            shapes.append(tuple(shape[: port.num_axes]))
        size = c.c_uint64()
        self._check(runtime.route_workspace_size, self._context, index, sizes, self._workers, c.byref(size))
        host_size = c.c_uint64()
        self._check(runtime.route_host_workspace_size, self._context, index, sizes, self._workers, c.byref(host_size))
        if len(self._prepared) >= 1024:  # prompts have many lengths
            self._prepared.clear()
        self._prepared[key] = found = shapes, size.value, host_size.value
        return found


class _Ports:
    """What of an entry's ports calls ask for each time: looking through ctypes takes longer than most calls."""

    def __init__(self, library, entry):
        self.entry = entry
        ports = [entry.inputs[i] for i in range(entry.num_inputs)]
        self.inputs = [(port, port.name.decode(), library._members_of(port.type)) for port in ports]
        self.has_lists = any(port.role in (_abi.OFFSETS, _abi.KNOWN) for port in ports)
        self.outputs = [(entry.outputs[i], entry.outputs[i].name.decode()) for i in range(entry.num_outputs)]
        variants = [entry.variants[i] for i in range(entry.num_variants)]
        cuda = next((each for each in variants if each.device == _abi.DEVICE_CUDA), None)
        self.on_gpu = cuda is not None
        # Numbers of the ports that calls on a GPU have in the host's memory: inputs, then outputs.
        self.host = frozenset(cuda.host_ports[: cuda.num_host_ports] if cuda is not None else ())
