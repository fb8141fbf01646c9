"""Holds docs/systems.md to the tree: specs, entries and tests are there, and what is said not to compile does not.

usage: check_systems.py ROOT TABLE [--run]

--run also gives `routec` each spec whose compiled column is a code. Prints what is wrong; the number of rows at the end.
Only Python's standard library is used.
"""
import os
import re
import subprocess
import sys
import tempfile


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def text(root, path):
    full = os.path.join(root, path)
    return open(full, encoding="utf-8").read() if os.path.isfile(full) else None


def faults(root, row):
    """What is wrong with one row."""
    system, spec, entries, interpreted, compiled, _ = row
    source = text(root, spec)
    if source is None:
        yield "there is no spec %s" % spec
        return
    more = text(root, "test/Interpreter/Specs/Inputs/" + os.path.basename(spec)) or ""
    stem = os.path.basename(spec)[: -len(".route")]
    names = [name.strip() for name in entries.split(",") if name.strip()]
    for name in names:
        if not re.search(r"\b(route|router)\s+%s\b" % name, source + more):
            yield "%s has no entry '%s'" % (spec, name)
    for path in {interpreted, compiled} - {"", "fragment"}:
        if re.fullmatch(r"R\d{4}", path):
            continue
        test = text(root, path)
        if test is None:
            yield "there is no test %s" % path
            continue
        if not re.search(r"\b%s\b" % stem, test):
            yield "%s does not name %s" % (path, stem)
        runs = "\n".join(line for line in test.splitlines() if "RUN:" in line)
        if "check_spec.py" in runs:
            for name in names:
                if not re.search(r"%s\.route\S*\s(\S*,)?%s\b" % (stem, name), runs):
                    yield "%s does not run '%s'" % (path, name)


def untold(root, row):
    """Tests that name the spec of a row whose cells say that nobody has tried."""
    spec, interpreted, compiled = row[1], row[3], row[4]
    for cell, tool in ((interpreted, r"route-interp|--interpret|routec --test"), (compiled, r"routec (?!--)\S.* -o ")):
        if cell:
            continue
        for folder, _, files in os.walk(os.path.join(root, "test")):
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), root)
                runs = [line for line in (text(root, path) or "").splitlines() if "RUN:" in line] if name.endswith(".test") else []
                if any(spec.removeprefix("test/") in line for line in runs) and any(re.search(tool, line) for line in runs):
                    yield "nothing is said of %s, which runs it" % path


def refusal(root, spec, code):
    """Nothing where routec refuses the spec with the code."""
    more = text(root, "test/Interpreter/Specs/Inputs/" + os.path.basename(spec)) or ""
    with tempfile.TemporaryDirectory() as folder:
        whole = os.path.join(folder, "spec.route")
        open(whole, "w").write(text(root, spec) + more)
        done = subprocess.run(["routec", whole, "-o", os.path.join(folder, "spec.so")], capture_output=True, text=True)
    codes = re.findall(r"error\[(R\d+)\]", done.stderr)
    if done.returncode == 0:
        return "%s compiles now: say which test proves it" % spec
    return None if code in codes else "%s is refused with %s, not %s" % (spec, ", ".join(codes), code)


def main():
    root, table = sys.argv[1:3]
    rows = [cells(line) for line in open(table, encoding="utf-8") if line.startswith("|")][2:]
    wrong = 0
    for row in rows:
        found = ["a row of %d cells" % len(row)] if len(row) != 6 else list(faults(root, row))
        if not found and re.fullmatch(r"R\d{4}", row[4]) and "--run" in sys.argv:
            found = [fault for fault in [refusal(root, row[1], row[4])] if fault]
        if len(row) == 6:
            found += untold(root, row)
        for fault in found:
            print("%s: %s" % (row[0], fault))
        wrong += len(found)
    shown = {row[1] for row in rows if len(row) == 6}
    for folder in ("test/Frontend/specs", "stdlib/moe"):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if name.endswith(".route") and folder + "/" + name not in shown:
                print("%s/%s is in no row" % (folder, name))
                wrong += 1
    print("%d rows" % len(rows))
    sys.exit(wrong > 0)


main()
