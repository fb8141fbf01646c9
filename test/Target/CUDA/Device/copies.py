"""Entries without code for GPUs, called with tensors on a GPU, against the same library on the CPU, bit for bit.

    python3 copies.py LIBRARY          needs torch
    python3 copies.py LIBRARY --fake   with a torch and a driver that are none, whose kernels do nothing

LIBRARY is Inputs/copies.route, compiled. Its router and an event have kernels, and state that an event on the CPU changes too.
"""

import ctypes as c
import random
import struct
import sys
import time

FAKE = sys.argv[2:] == ["--fake"]
if FAKE:
    import fake_torch as torch
else:
    import torch

import route

TYPES = {"account": "int64", "prefix": "int64", "worth": "float32", "limit": "int32", "tags": "int64",
         "tags.offsets": "int32", "x": "float32", "m": "int32", "request": "int32", "code": "int64"}
CELLS = ("spent", "seen", "used", "models.load")


def tensor(values, dtype, shape, device="cuda"):
    if FAKE:
        return torch.make(shape, dtype, values, device)
    return torch.tensor(values, dtype=getattr(torch, dtype)).reshape(shape).to(device)


def bits(value):
    """An output, or a cell, as bytes."""
    if isinstance(value, torch.Tensor) and not FAKE:
        value = value.cpu().flatten()
    while hasattr(value, "tolist"):
        value = value.tolist()
    flat = [value]
    while any(isinstance(each, list) for each in flat):
        flat = [part for each in flat for part in (each if isinstance(each, list) else [each])]
    return b"".join(struct.pack("<d", each) for each in flat)


def draw(seed, count):
    """A batch of requests, as lists."""
    r = random.Random(seed)
    return {"account": [r.randrange(9) for _ in range(count)], "prefix": [r.randrange(20) for _ in range(count)],
            "worth": [None if r.random() < 0.3 else r.randrange(5) / 2 for _ in range(count)],
            "limit": [r.randrange(12) for _ in range(count)],
            "tags": [[r.randrange(10) for _ in range(r.randrange(4))] for _ in range(count)],
            "prompt": ["word " * r.randrange(4) for _ in range(count)],
            "x": [[float(r.randrange(-8, 9)) for _ in range(16)] for _ in range(count)]}


def lend(batch, stay=()):
    """The same on the GPU, but for texts and the names in `stay`."""
    made = {}
    for name, value in batch.items():
        if name == "prompt" or name in stay:
            made[name] = value
        elif name == "worth":
            known = [each is not None for each in value]
            made[name] = route.Known(tensor([each or 0.0 for each in value], "float32", (len(value),)),
                                     tensor(known, "bool", (len(value),)))
        elif name == "tags":
            ends = [0]
            for each in value:
                ends.append(ends[-1] + len(each))
            made["tags.offsets"] = tensor(ends, "int32", (len(ends),))
            made[name] = tensor([tag for each in value for tag in each], TYPES[name], (ends[-1],))
        elif name == "x":
            made[name] = tensor([part for row in value for part in row], "float32", (len(value), 16))
        elif isinstance(value, list):
            made[name] = tensor(value, TYPES[name], (len(value),))
        else:
            made[name] = tensor([value], TYPES[name], ())
    return made


def some(batch, names):
    return {name: batch[name] for name in names.split()}


class Pair:
    """The library twice: `host` is called with what is in the host's memory, `gpu` with tensors on the GPU."""

    def __init__(self, path):
        w = random.Random(1)
        self.path, self.weights = path, [float(w.randrange(-3, 4)) for _ in range(16 * 6)]
        weights = {"pick.w": tensor(self.weights, "float32", (16, 6), "cpu")}
        self.host, self.gpu = route.load(path, tensors=weights), route.load(path, tensors=weights, cuda=True)
        self.failures = []

    def expect(self, what, good):
        if not good:
            self.failures.append(what)

    def compare(self, what, entry, batch, stay=()):
        host = self.host.call(entry, batch)
        gpu = self.gpu.call(entry, lend(batch, stay))
        for name in host:
            self.expect(f"{what}: {name} is not on the GPU", gpu[name].device.type == "cuda")
            self.expect(f"{what}: {name}", bits(host[name]) == bits(gpu[name]))

    def emit(self, name, event):
        self.host.emit(name, event)
        self.gpu.emit(name, lend(event))

    def dispatch(self, batch, request, m):
        self.emit("on.dispatch", {"m": m, "request": request, **some(batch, "account prefix worth")})

    def compare_state(self, what):
        for cell in CELLS:
            self.expect(f"{what}: {cell}", bits(self.host.state(cell)) == bits(self.gpu.state(cell)))

    def fails(self, what, call, expected):
        said = "no error"
        try:
            call()
        except route.RouteError as error:
            said = str(error)
        self.expect(f"{what}: {said}", expected in said)


def values(pair):
    """Batches of several sizes; tensors that stay on the CPU among others; inputs that are left out."""
    for count in (0, 1, 3, 257):
        batch = draw(count, count)
        pair.compare(f"{count} requests", "tell", some(batch, "account prefix worth tags"))
        pair.compare(f"{count} texts", "long", some(batch, "limit prompt"))
        for stay in ({"account"}, {"worth", "tags"}, {"prefix"}):
            pair.compare(f"{count} requests, {sorted(stay)} on the CPU", "tell", some(batch, "account prefix worth tags"), stay)
    pair.compare("no worth", "tell", some(draw(5, 5), "account prefix tags"))
    pair.compare("no prompts", "long", some(draw(5, 5), "limit"))


def state(pair):
    """Events on the CPU and decisions by kernels, with no wait of the caller's between them."""
    for seed in range(24):
        batch = draw(100 + seed, 33)
        for request in range(4):
            pair.dispatch(batch, request, (seed + request) % 6)
        if not FAKE:
            pair.compare(f"step {seed}", "pick", some(batch, "x"))
            pair.emit("on.failure", {"m": seed % 5, "code": 395 + seed, "request": seed, **some(batch, "account")})
            pair.compare(f"step {seed}, failed", "pick", some(batch, "x"))
        pair.compare(f"step {seed}", "tell", some(batch, "account prefix worth tags"))
        if seed % 5 == 0:
            pair.compare_state(f"step {seed}")
            load = [0.25 * seed + i for i in range(6)]
            for library in (pair.host, pair.gpu):
                library.set_state("models.load", load)
    pair.compare_state("at the end")


def order(pair):
    """Copies come behind what the stream has to do, and before what it gets to do later."""
    batch = some(draw(7, 257), "account prefix worth tags")
    expected = bits(pair.host.call("tell", batch)["tell"])
    lent = lend(batch)
    account, late = lent["account"], lent["account"].clone()
    big = torch.randn(4096, 4096, device="cuda")
    for _ in range(20):
        account.zero_()
        for _ in range(10):
            big = big @ big * 1e-3  # some work in front of the values
        account.copy_(late)
        result = pair.gpu.call("tell", lent)["tell"]
        account.zero_()
        pair.expect("order", bits(result) == expected)


def errors(pair):
    batch = draw(11, 9)
    lent = lend(some(batch, "account prefix worth tags"))
    lent["tags.offsets"] = tensor([0, 5, 3] + [9] * 7, "int32", (10,))
    pair.fails("offsets", lambda: pair.gpu.call("tell", lent), "tags")
    event = lend({"m": 6, "request": 0, **some(batch, "account prefix worth")})
    pair.fails("a row that is not there", lambda: pair.gpu.emit("on.dispatch", event), "'m'")
    pair.compare_state("after errors")
    weights = tensor(pair.weights, "float32", (16, 6))
    alone = route.load(pair.path, tensors={"pick.w": weights}, cuda=True)
    pair.fails("parameters", lambda: alone.call("long", lend(some(batch, "limit prompt"))), "host_copies=True")
    both = route.load(pair.path, tensors={"pick.w": weights}, cuda=True, host_copies=True)
    pair.expect("copies of parameters", bits(both.call("long", lend(some(batch, "limit prompt")))["long"]) ==
                bits(pair.host.call("long", some(batch, "limit prompt"))["long"]))


def cost(pair):
    """What the copies take, for docs/gpu.md."""
    for count in (1, 33, 1024):
        batch = some(draw(count, count), "account prefix worth tags")
        held = {name: tensor(value, TYPES[name], (count,), "cpu") for name, value in batch.items() if name in ("account", "prefix")}
        lent, host = lend(batch), {**batch, **held}
        took = {}
        for where, inputs in (("CPU", host), ("GPU", lent)):
            times = []
            for _ in range(200):
                torch.cuda.synchronize()
                start = time.perf_counter()
                pair.gpu.call("tell", inputs)
                torch.cuda.synchronize()
                times.append(time.perf_counter() - start)
            took[where] = sorted(times)[100] * 1e6
        print(f"     tell, {count} requests through Python: {took['CPU']:.0f} us from the CPU, {took['GPU']:.0f} us from the GPU")


def capture(pair):
    """Last: torch may be of no use behind a capture that fails."""
    lent = lend(some(draw(3, 5), "account prefix worth tags"))
    if FAKE:
        stream = c.c_void_p.in_dll(c.CDLL("libcuda.so.1"), "fake_captured")
        stream.value = 0x5EED
        pair.fails("capture", lambda: pair.gpu.call("tell", lent), "cannot be captured")
        stream.value = None
        return

    def captured():
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            pair.gpu.call("tell", lent)

    pair.fails("capture", captured, "cannot be captured")


def main():
    if not FAKE:
        torch.zeros(1, device="cuda")  # makes torch's context the thread's
    failed = False
    checks = (values, state, errors, capture) if FAKE else (values, state, order, errors, cost, capture)
    for check in checks:
        pair = Pair(sys.argv[1])
        check(pair)
        print(f"{'FAIL' if pair.failures else 'ok  '} copies, {check.__name__} {' | '.join(pair.failures[:4])}".rstrip(), flush=True)
        failed |= bool(pair.failures)
    return failed


if __name__ == "__main__":
    sys.exit(main())
