"""The Python binding on tensors that speak DLPack: tensors.py LIB.so RUNTIME, with the driver that is none on the path.

Tensors are of fake_torch; those "on the GPU" lie in the CPU's memory, and kernels are only written down.
"""

import ctypes as c
import sys

import fake_torch as torch
import route

library, runtime = sys.argv[1:]
driver = c.CDLL("libcuda.so.1")


class Launch(c.Structure):
    _fields_ = [("kernel", c.c_char_p), ("grid", c.c_uint), ("block", c.c_uint), ("shared", c.c_uint),
                ("stream", c.c_void_p), ("first", c.c_longlong), ("early", c.c_uint)]


launches = (Launch * 16).in_dll(driver, "fake_launches")
num_launches = c.c_int.in_dll(driver, "fake_num_launches")
allocations = c.c_int.in_dll(driver, "fake_allocations")


def fails(call):
    try:
        call()
    except Exception as problem:  # noqa: the kind and the words are what is checked
        print(f"{getattr(problem, 'status', type(problem).__name__)}: {problem}")
        return
    raise AssertionError("no error")


# Expert e looks at column e: token t, with its large values in columns t and t + 1, goes there.
weight = [float(e == h) for e in range(8) for h in range(64)]
inputs = [3.0 * (h == t) + 2.0 * (h == t + 1) for t in range(5) for h in range(64)]

w = torch.make((8, 64), "float32", weight)
gate = route.load(library, tensors={"gate.w": w}, runtime=runtime)
print(gate.parameters)
out = gate.gate(x=torch.make((5, 64), "float32", inputs))
print(type(out["gate"]).__name__, out["gate"].shape, out["gate"].dtype, out["gate.weight"].dtype)
print(out["gate"].tolist(), [round(value, 3) for value in out["gate.weight"].tolist()[:2]])
# Lists give what they always gave.
print(type(gate.gate(x=[[0.0] * 63 + [1.0]])["gate"]).__name__ != "Tensor", allocations.value)

# On the GPU: the parameter is read where it lies (state has two places there), work goes to torch's stream, outputs are there too.
on_gpu = torch.make((8, 64), "float32", weight, "cuda")
layer = route.load(library, tensors={"gate.w": on_gpu}, cuda=True, runtime=runtime)
print("allocations", allocations.value, "waits", torch.torch.synchronised)
out = layer.gate(x=torch.make((5, 64), "float32", inputs, "cuda"))
print(out["gate"].device.type, num_launches.value > 0, {launches[i].stream for i in range(num_launches.value)} == {0x5EED})

fails(lambda: layer.gate(x=torch.make((5, 64), "float32", inputs)))
fails(lambda: gate.gate(x=torch.make((5, 64), "float32", inputs, "cuda")))
fails(lambda: gate.gate(x=torch.make((5, 64), "int32", [1] * 320)))
fails(lambda: route.load(library, tensors={"gate.w": on_gpu}, runtime=runtime))
fails(lambda: route.load(library, tensors={"gate.v": w}, runtime=runtime))
fails(lambda: route.load(library, tensors={"gate.w": torch.make((64, 8), "float32", weight)}, runtime=runtime))
fails(lambda: route.load(library, tensors={"gate.w": [1.0]}, runtime=runtime))


class Unlendable:
    """An array of ml_dtypes' bfloat16, which NumPy does not lend."""
    dtype = "bfloat16"

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **_):
        raise BufferError("DLPack has no such type")


fails(lambda: route.load(library, tensors={"gate.w": Unlendable()}, runtime=runtime))
learned = torch.make((5, 64), "float32", inputs)
learned.requires_grad = True
fails(lambda: gate.gate(x=learned))
# With copies in the host's memory a context serves both.
both = route.load(library, tensors={"gate.w": on_gpu}, cuda=True, host_copies=True, runtime=runtime)
print(both.gate(x=torch.make((5, 64), "float32", inputs))["gate"].tolist(),
      both.gate(x=torch.make((5, 64), "float32", inputs, "cuda"))["gate"].device.type)
# A parameter is detached: it may require a gradient, as a module's do.
w.requires_grad = True
route.load(library, tensors={"gate.w": w}, runtime=runtime)


# State: an event with tensors on the GPU works on its copy there, on torch's stream; who asks on the CPU gets it from there.
class Step(c.Structure):
    _fields_ = [("what", c.c_char_p), ("stream", c.c_void_p), ("event", c.c_void_p), ("size", c.c_size_t)]


steps = (Step * 256).in_dll(driver, "fake_steps")
num_steps = c.c_int.in_dll(driver, "fake_num_steps")


def said(prefix, call):
    num_steps.value = num_launches.value = 0
    result = call()
    done = " ".join(f"{each.what.decode()}{each.size or ''}{'' if each.stream == 0x5EED else '*'}"
                    for each in steps[: num_steps.value])
    print(f"{prefix}: {done}; {'launches' if num_launches.value else 'no launch'}")
    return result


moving = route.load(library, tensors={"gate.w": on_gpu}, cuda=True, runtime=runtime)
x = torch.make((5, 64), "float32", inputs, "cuda")
plan = said("decide", lambda: moving.moved(x=x))
commit = {"moved": plan["moved"], "moved.count": plan["moved.count"]}
said("emit", lambda: moving.emit("moved.commit", commit))
said("state", lambda: moving.state("bias"))
said("again", lambda: moving.state("bias"))
said("set", lambda: moving.set_state("bias", [1.0] * 8))
said("upload", lambda: moving.upload(0x5EED))
said("decide", lambda: moving.moved(x=x))
fails(lambda: gate.upload())
