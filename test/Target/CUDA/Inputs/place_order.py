"""Runs the kernels that order slots by the row they go to on the emulated GPU: place_order.py LIBRARY RUN_PTX.

Of 4 experts with 400 slots each most go to one row, so that a block numbers them, as in no small batch. Slots of a row
are to be in their order, whatever the order in which they were listed.
"""

import itertools
import random
import re
import subprocess
import sys
import tempfile

library, run_ptx = sys.argv[1:]
SHAPE, ROWS = (4, 400), 7
SLOTS = SHAPE[0] * SHAPE[1]

with open(library, "rb") as file:
    text = file.read().decode("latin-1")
ptx = tempfile.NamedTemporaryFile("w", suffix=".ptx")
ptx.write(re.search(r"\.version.*?\0", text, re.DOTALL).group()[:-1])
ptx.flush()


def memref(values, *shape, kind="u32"):
    """The arguments of a buffer: it, where it is aligned, an offset, sizes and strides."""
    data = f"{kind}:" + ",".join(map(str, values))
    strides = [str(shape[1]), "1"] if len(shape) == 2 else ["1"]
    return ["0", data, "0", *map(str, shape), *strides]


def run(kernel, blocks, *arguments):
    """What each buffer holds behind the run."""
    name = re.search(rf"\.entry (\w+_{kernel}_\d+)", text).group(1)
    said = subprocess.run([run_ptx, ptx.name, name, str(blocks), "1024", *itertools.chain(*arguments)], check=True,
                          capture_output=True, text=True).stdout
    return [line.split() for line in said.strip().split("\n")]


r = random.Random(7)
for share in (0, 0.8, 1):  # of the slots that go to one row
    at = [1 if r.random() < share else r.randrange(ROWS) for _ in range(SLOTS)]
    inv = [i if r.random() < 0.95 else -1 for i in range(SLOTS)]
    r.shuffle(inv)
    scale = [r.randrange(64) / 8 for _ in range(SLOTS)]
    slots = [[s for s in range(SLOTS) if at[s] == row and inv[s] >= 0] for row in range(ROWS)]
    ends = list(itertools.accumulate(map(len, slots)))
    begins, long_rows = run("starts", 1, memref(list(map(len, slots)), ROWS), memref([0, 0], 2))
    assert list(map(int, begins)) == [0] + ends[:-1], begins
    long = [row for row in range(ROWS) if len(slots[row]) >= 1024]
    assert int(long_rows[0]) == len(long) and list(map(int, long_rows[1:1 + len(long)])) == long, long_rows
    listed = [s for row in slots for s in r.sample(row, len(row))] + [0] * (SLOTS - ends[-1])
    after = run("order", 2, memref(ends, ROWS), memref([i & 0xffffffff for i in inv], *SHAPE), memref(at, *SHAPE),
                memref(listed, SLOTS), memref([0] * SLOTS, SLOTS), memref(long_rows, 2), memref(scale, *SHAPE, kind="f32"),
                memref([0] * SLOTS, SLOTS, kind="f32"))
    order = [s for row in slots for s in row]
    assert list(map(int, after[4][:ends[-1]])) == [inv[s] for s in order]
    assert list(map(float, after[7][:ends[-1]])) == [scale[s] for s in order]
    print(f"{len(long)} long rows: {ends[-1]} slots in order")
