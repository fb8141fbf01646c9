"""Pushes live columns through the binding, at random times and with values that are not known, and compares what a library
and the interpreter decide from the state that it leaves: live.py LIBRARY SPEC SEED"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

import route

SECOND = 10**9
COLUMNS = {"p95": ("d", "F64"), "load": ("f", "F32"), "tier": ("i", "I32"), "up": ("?", "BOOL"), "q": ("f", "F32")}


def save(library, path):
    """The cells of the live columns as a safetensors file."""
    header, data = {}, b""
    for name, (form, kind) in [*COLUMNS.items(), *((f"{c}.pushed", ("d", "F64")) for c in COLUMNS if c != "load")]:
        values = list(library.state(f"models.{name}"))
        blob = struct.pack(f"<{len(values)}{form}", *values)
        header[f"models.{name}"] = {"dtype": kind, "shape": [len(values)], "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)


def main():
    library, spec, seed = sys.argv[1:]
    random.seed(int(seed))
    live = route.load(library)
    now = 1_700_000_000 * SECOND
    with tempfile.TemporaryDirectory() as folder:
        state, calls = os.path.join(folder, "state"), os.path.join(folder, "in.jsonl")
        with open(calls, "w") as out:
            for weight in (0.0, 1.0, -2.5):
                print(json.dumps({"w": weight}), file=out)
        seen = set()
        for _ in range(12):
            for column in random.sample([*COLUMNS], random.randrange(4)):
                values = {"tier": lambda: random.randrange(2), "up": lambda: random.random() < 0.5}.get(
                    column, lambda: random.choice([0.0, 1.5, -3.0, 7.25]))
                known = None if column == "load" else random.choice([None, [random.random() < 0.7 for _ in range(3)]])
                live.push(f"models.{column}", [values() for _ in range(3)], now, known)
            save(live, state)
            for wait in (0, 5 * SECOND, 5 * SECOND + 1000, 10 * SECOND, 30 * SECOND, -5 * SECOND, -5 * SECOND - 1000, -30 * SECOND):
                command = ["pick", "--inputs", calls, "--state-in", state, "--now", str(now + wait)]
                one = subprocess.run(["route-run", library, *command], capture_output=True, text=True, check=True).stdout
                two = subprocess.run(["route-run", spec, *command, "--interpret"], capture_output=True, text=True)
                if one != two.stdout:
                    sys.exit(f"after {wait} ns the library gives\n{one}the interpreter\n{two.stdout}{two.stderr}")
                seen.add(one)
            now += random.choice([1, SECOND, 6 * SECOND])
        print("agree;", "differ" if len(seen) > 8 else "alike")


main()
