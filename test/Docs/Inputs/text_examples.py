"""Writes the examples of docs/text.md as tests in the language: text_examples.py PAGE FILE.

`call = result` becomes `expect call == result`, or a bound on the difference of the two where the result has a point.
What a test in the language cannot say is left out: errors, vectors, and bytes that are no UTF-8. The count of each is
printed."""
import pathlib
import re
import sys


def expectation(call, result):
    if result in ("true", "false"):
        return call if result == "true" else f"not {call}"
    return f"abs({call} - {result}) < 1e-5" if "." in result else f"{call} == {result}"


def main(page, target):
    tests, left = [], 0
    for block in re.finditer(r"^```text-example\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.group(1).splitlines():
            call, result = line.rsplit(") = ", 1) if ") = error" not in line else (line, "error")
            if result[0] in "e[" or "\\x" in call:
                left += 1
                continue
            tests.append(f'test "{len(tests)}" {{ expect {expectation(call + ")", result)} }}\n')
    target.write_text("".join(tests), encoding="utf-8")
    print(f"{len(tests)} tests, {left} left out")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
