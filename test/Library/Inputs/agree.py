"""Runs entries of a library and of its spec in the interpreter on the same records, and prints what both give.

usage: agree.py LIBRARY SPEC INPUTS.jsonl ENTRY...

Names in the records that an entry does not read are skipped. The first entry whose outputs differ ends it, with both.
"""
import subprocess
import sys


def run(source, entry, inputs, *more):
    done = subprocess.run(
        ["route-run", source, entry, "--inputs", inputs, "--allow-extra", *more], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{source} {entry}: {done.stderr}")
    return done.stdout


def main():
    library, spec, inputs, *entries = sys.argv[1:]
    for entry in entries:
        compiled, interpreted = run(library, entry, inputs), run(spec, entry, inputs, "--interpret")
        if compiled != interpreted:
            sys.exit(f"'{entry}' differs: the library gives\n{compiled}the interpreter gives\n{interpreted}")
        print(compiled, end="")


main()
