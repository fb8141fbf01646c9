"""State on a GPU against the same library on the CPU, bit for bit.

    python3 state.py LIBRARY

LIBRARY is Inputs/state.route, compiled. Decisions and events on one stream, on several, from threads and in graphs; state
that the host changes between them.
"""

import random
import sys
import threading

import torch

from device import same_bits

import route

TOKENS, EXPERTS = 512, 64
CELLS = ("bias", "open", "steps", "experts.load", "experts.load.pushed")


def logits(seed):
    g = torch.Generator().manual_seed(seed)
    return torch.round(torch.randn(TOKENS, EXPERTS, generator=g) * 8) / 8  # with ties


def loads(seed):
    r = random.Random(seed)
    return [None if r.random() < 0.25 else r.random() for _ in range(EXPERTS)]


def decide(library, x):
    return library.gate(logits=x)


def commit(library, plan):
    library.emit("gate.commit", gate=plan["gate"], **{"gate.count": plan["gate.count"]})


class Pair:
    """The library twice: `host` is called on the CPU, `gpu` on the GPU."""

    def __init__(self, path):
        self.host, self.gpu = route.load(path), route.load(path, cuda=True)
        self.failures = []

    def expect(self, what, good):
        if not good:
            self.failures.append(what)

    def compare(self, what, host, gpu):
        for name in host:
            self.expect(f"{what}: {name}", same_bits(host[name], gpu[name]))

    def compare_state(self, what):
        for cell in CELLS:
            a, b = (torch.as_tensor(each.state(cell)) for each in (self.host, self.gpu))
            self.expect(f"{what}: {cell}", same_bits(a, b))

    def step(self, seed, what):
        x = logits(seed)
        host, gpu = decide(self.host, x), decide(self.gpu, x.cuda())
        commit(self.host, host)
        commit(self.gpu, gpu)
        return what, host, gpu


def one_stream(pair):
    steps = [pair.step(seed, f"step {seed}") for seed in range(24)]  # none is waited for
    for step in steps:
        pair.compare(*step)
    pair.compare_state("after steps")


def changed_by_host(pair):
    for seed in range(8):
        for library in (pair.host, pair.gpu):
            library.push("experts.load", loads(seed), now=seed * 10**9)
        pair.compare(*pair.step(100 + seed, f"pushed {seed}"))
        bias = [0.001 * i * seed for i in range(EXPERTS)]
        if seed % 2:
            for library in (pair.host, pair.gpu):
                library.set_state("bias", bias)
        else:  # an event on the CPU, of the library on the GPU
            x = logits(seed)
            for library in (pair.host, pair.gpu):
                commit(library, decide(library, x))
    pair.compare_state("changed by the host")


def several_streams(pair):
    """A decision on one stream, its event on another, and decisions on more that may see either state, but none between."""
    streams = [torch.cuda.Stream() for _ in range(20)]
    torch.cuda.synchronize()
    for seed in range(20):
        x = logits(200 + seed)
        host = decide(pair.host, x)
        with torch.cuda.stream(streams[seed]):
            y = x.cuda()
            plan = decide(pair.gpu, y)
            pair.compare(f"stream {seed}", host, plan)  # which copies on that stream
        before = torch.as_tensor(pair.host.state("bias"))
        commit(pair.host, host)
        after = torch.as_tensor(pair.host.state("bias"))
        y.record_stream(streams[seed])
        seen = []
        for other in (streams[(seed + 7) % 20], streams[(seed + 1) % 20]):
            other.wait_stream(streams[seed])  # for the plan and the rows, not for the state
            with torch.cuda.stream(other):
                if not seen:
                    seen.append((pair.gpu.now(logits=y)["now"], before))
                    commit(pair.gpu, plan)
                seen.append((pair.gpu.now(logits=y)["now"], after))
        torch.cuda.synchronize()
        for got, want in seen:
            pair.expect(f"stream {seed}: the bias", same_bits(got, want.expand(TOKENS, EXPERTS).contiguous()))
    pair.compare_state("after streams")


def threads(pair):
    """Every decision sees a bias that was there as a whole: of its first and its last row alike."""
    same, bad = logits(1).cuda(), []
    torch.cuda.synchronize()
    steps = int(torch.as_tensor(pair.gpu.state("steps")))

    def work(number):
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(50):
                plan = decide(pair.gpu, same)
                if number % 2:
                    commit(pair.gpu, plan)
                seen = pair.gpu.now(logits=same)["now"]
                if not bool((seen == seen[:1]).all()):
                    bad.append(number)
                if number == 0:
                    pair.gpu.state("bias")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    torch.cuda.synchronize()
    pair.expect("threads: torn state", not bad)
    pair.expect("threads: lost events", int(torch.as_tensor(pair.gpu.state("steps"))) == steps + 100)


def graph(pair):
    """A decision and its event in one graph, whose runs carry on the state."""
    for cell in ("bias", "open", "steps"):
        pair.gpu.set_state(cell, pair.host.state(cell))
    x = logits(300).cuda()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    torch.cuda.synchronize()
    made = torch.cuda.CUDAGraph()
    with torch.cuda.graph(made, stream=stream):
        plan = decide(pair.gpu, x)
        commit(pair.gpu, plan)
    with torch.cuda.stream(stream):
        pair.gpu.upload(stream.cuda_stream)
        for run in range(12):
            x.copy_(logits(300 + run))
            made.replay()
            stream.synchronize()
            host = decide(pair.host, logits(300 + run))
            commit(pair.host, host)
            pair.compare(f"run {run}", host, plan)
            if run % 3 == 2:
                pair.compare_state(f"run {run}")
            if run == 7:
                for library in (pair.host, pair.gpu):
                    library.set_state("bias", [0.002 * i for i in range(EXPERTS)])
                pair.gpu.upload(stream.cuda_stream)
        # Outside of the graph, on its stream.
        commit(pair.gpu, plan)
        commit(pair.host, host)
        pair.compare_state("after runs")


def main():
    torch.zeros(1, device="cuda")
    failed = False
    for check in (one_stream, changed_by_host, several_streams, threads, graph):
        pair = Pair(sys.argv[1])
        check(pair)
        print(f"{'FAIL' if pair.failures else 'ok  '} state, {check.__name__.replace('_', ' ')} "
              f"{' | '.join(pair.failures[:4])}", flush=True)
        failed |= bool(pair.failures)
    return failed


if __name__ == "__main__":
    sys.exit(main())
