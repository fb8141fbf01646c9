"""Prints the codes of a page of diagnostics that no test names: untested_codes.py PAGE TESTS.

A test names a code where it expects a message: `error[R0100]`, `warning[R0100]` or `remark[R0100]`. Only R0801, a defect of the compiler
itself, has no test: no input is known to provoke it."""
import pathlib
import re
import sys

page, tests = map(pathlib.Path, sys.argv[1:])
codes = set(re.findall(r"^#+ (R\d{4})", page.read_text(), re.MULTILINE))
named = {"R0801"}
for test in tests.rglob("*"):
    if test.suffix in {".route", ".test", ".mlir"}:
        named |= set(re.findall(r"(?:error|warning|remark)\[(R\d{4})\]", test.read_text(errors="replace")))
if not codes:
    sys.exit(f"{page} lists no codes")
print("\n".join(sorted(codes - named)))
