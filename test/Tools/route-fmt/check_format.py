"""Formats every .route file of the repository and checks that formatting again
changes nothing and that the syntax tree stays the same."""
import pathlib
import subprocess
import sys


def run(*command, text):
    return subprocess.run(command, input=text, capture_output=True, check=False)


def main(root):
    files = [p for folder in ("test/Frontend/specs", "stdlib", "examples") for p in sorted((root / folder).rglob("*.route"))]
    assert len(files) >= 14, f"only {len(files)} specs found below {root}"
    failures = 0
    for path in files:
        source = path.read_bytes()
        tree = run("route-parse", "-", text=source)
        if tree.returncode:
            print(f"{path}: does not parse\n{tree.stderr.decode()}")
            failures += 1
            continue
        once = run("route-fmt", text=source)
        twice = run("route-fmt", text=once.stdout)
        if once.returncode or twice.stdout != once.stdout:
            print(f"{path}: formatting is not stable\n{once.stderr.decode()}")
            failures += 1
        elif run("route-parse", "-", text=once.stdout).stdout != tree.stdout:
            print(f"{path}: formatting changes the syntax tree")
            failures += 1
    return failures != 0


sys.exit(main(pathlib.Path(sys.argv[1])))
