"""Checks that every op of the dialects says what it means and shows it: op_examples.py DIALECTS TESTS.

Each op in a *Ops.td has a description with an example, and every line of the example stands, as it is but for spaces,
in a lit test of the dialects. A line `...` stands for lines left out. Prints what is missing and exits with 1."""
import pathlib
import re
import sys


def squeeze(line):
    return " ".join(line.split())


def examples(description):
    """The lines of the examples of a description."""
    lines = []
    for block in re.findall(r"```mlir\n(.*?)```", description, re.DOTALL):
        lines += block.splitlines()
    lines += re.findall(r"Example: `([^`]*)`", description)
    return [squeeze(line) for line in lines if line.strip() not in {"", "..."} and not line.strip().startswith("//")]


def main(dialects, tests):
    known = set()
    for test in tests.rglob("*.mlir"):
        known |= {squeeze(line) for line in test.read_text().splitlines()}
    missing = []
    ops = 0
    for page in sorted(dialects.rglob("IR/*Ops.td")):
        for op, body in re.findall(r"^def (\w+Op) :(.*?)^}", page.read_text(), re.DOTALL | re.MULTILINE):
            ops += 1
            description = re.search(r"description = \[\{(.*?)\}\];", body, re.DOTALL)
            lines = examples(description.group(1)) if description else []
            if not lines:
                missing.append(f"{page.name}: {op} has no {'example' if description else 'description'}")
            for line in lines:
                if line not in known and not any(line.rstrip(" {") in other for other in known):
                    missing.append(f"{page.name}: {op}: no test has the line '{line}'")
    if not ops:
        missing.append(f"{dialects}: there are no ops")
    print("\n".join(missing))
    sys.exit(bool(missing))


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
