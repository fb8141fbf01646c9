"""What these measurements share: how times are taken, and what a card can do at most.

Times are medians in microseconds, of graphs that are replayed in random order. A floor is the larger of bytes over the
card's bandwidth and operations over its rate, both measured at the start of a run by what torch and cuBLAS do best:
reading, copying and multiplying a matrix by a vector, of 2 GB; and products of bf16. The fastest time of each counts,
before the card is warm: nothing is to be below its floor.
"""

import random
import statistics
import time


def floor_options(parser):
    """What a Floor is given."""
    parser.add_argument("--bandwidth", type=float, help="bytes a second, for the floor; measured unless given")
    parser.add_argument("--rate", type=float, help="operations on bf16 a second, for the floor; measured unless given")


def microseconds(run):
    """What the card takes for run()."""
    import torch
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e3


def fastest(run, times=12):
    """Of some runs, but for the first two."""
    return min([microseconds(run) for _ in range(times)][2:])


class Floor:
    """Bytes and operations a second of this card, but for those that `given` has; they are printed."""

    def __init__(self, given, size=2 ** 31, side=8192):
        self.bandwidth, self.rate = given.bandwidth, given.rate
        how = ["given" if each else "measured" for each in (self.bandwidth, self.rate)]
        self.bandwidth = self.bandwidth or self.measure_bandwidth(size)
        self.rate = self.rate or self.measure_rate(side)
        print(f"floor: {self.bandwidth / 1e12:.2f} TB/s ({how[0]}), {self.rate / 1e12:.0f} TFLOP/s of bf16 ({how[1]})",
              flush=True)

    @staticmethod
    def measure_bandwidth(size):
        import torch
        # Of f32 a little less than 2^31 bytes: beyond, torch splits what it runs.
        numbers = torch.empty(size // 4 - 2048, device="cuda").normal_()
        half = len(numbers) // 2
        matrix = torch.empty(size // 2 // 8192, 8192, dtype=torch.bfloat16, device="cuda").normal_()
        vector = torch.empty(8192, dtype=torch.bfloat16, device="cuda").normal_()
        ways = [(4 * len(numbers), lambda: numbers.sum()), (4 * len(numbers), lambda: numbers.amax()),
                (8 * half, lambda: numbers[:half].copy_(numbers[half:])), (2 * matrix.numel(), lambda: matrix @ vector)]
        return max(moved / fastest(run) * 1e6 for moved, run in ways)

    @staticmethod
    def measure_rate(side):
        import torch
        a, b = (torch.empty(side, side, dtype=torch.bfloat16, device="cuda").normal_() for _ in range(2))
        return 2 * side ** 3 / fastest(lambda: a @ b.T) * 1e6

    def __call__(self, moved, operations):
        """Microseconds for so many bytes and operations."""
        return max(moved / self.bandwidth, operations / self.rate) * 1e6


def medians(graphs, copies, seconds, before=None):
    """What a call takes, by name: each graph holds `copies` calls; before() runs ahead of each replay, untimed."""
    times = {name: [] for name in graphs}
    order, started = list(graphs), time.time()
    while time.time() - started < seconds or len(times[order[0]]) < 3:
        random.shuffle(order)
        for name in order:
            if before:
                before()
            times[name].append(microseconds(graphs[name].replay) / copies)
    return {name: statistics.median(each) for name, each in times.items()}


def capture(run, sets):
    """A graph that runs once on each set of inputs, and the results."""
    import torch
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for each in sets:
            run(*each)
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = [run(*each) for each in sets]
    return graph, results
