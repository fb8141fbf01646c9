"""Runs calls and events one after the other in a library and in the interpreter, and compares what the calls give.

usage: events.py LIBRARY SPEC ENTRY STEPS [--exchange]

STEPS holds a line of JSON a step: {"call": [record..], "emit": [[event, record]..]}. Each step calls ENTRY on its records
and then emits its events; state goes from step to step by way of files. With --exchange the interpreter goes on from
the library's state every fifth step.
"""
import json
import os
import subprocess
import sys
import tempfile


def run(source, entry, step, state, folder, interpret):
    calls = os.path.join(folder, "in.jsonl")
    with open(calls, "w") as out:
        for record in step["call"]:
            print(json.dumps(record), file=out)
    command = ["route-run", source, entry, "--inputs", calls, "--state-out", state, "--allow-extra"]
    if interpret:
        command.append("--interpret")
    if os.path.exists(state):
        command += ["--state-in", state]
    for i, (event, record) in enumerate(step.get("emit", [])):
        path = os.path.join(folder, f"event{i}.jsonl")
        with open(path, "w") as out:
            print(json.dumps(record), file=out)
        command += ["--emit", f"{event}={path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def main():
    exchange = "--exchange" in sys.argv
    library, spec, entry, path = [each for each in sys.argv[1:] if each != "--exchange"]
    with open(path) as lines:
        steps = [json.loads(line) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        compiled, interpreted = (os.path.join(folder, name) for name in ("compiled", "interpreted"))
        for number, step in enumerate(steps):
            if exchange and number % 5 == 4:
                with open(compiled, "rb") as source, open(interpreted, "wb") as target:
                    target.write(source.read())
            one = run(library, entry, step, compiled, folder, False)
            two = run(spec, entry, step, interpreted, folder, True)
            if one != two:
                sys.exit(f"step {number + 1}: the library gives\n{one}the interpreter\n{two}")
            sys.stdout.write(one)
    print(len(steps), "steps agree")


main()
