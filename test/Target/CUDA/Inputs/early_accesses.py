"""Which kernels of a text with PTX in it touch memory too early: early_accesses.py FILE.

The runtime starts a kernel before those launched earlier have ended, if its blocks do not stay. Until such a kernel has
executed griddepcontrol.wait, what they write is not there. Prints a line for each kernel; exit status 1 if one reads or
writes global memory before it waits. Kernels that never wait are counted apart: the runtime must not start them early.
Products slot by slot may load weights first: the kernel ahead of them lets them start after it has waited itself, and
so must they.
"""

import re
import sys

with open(sys.argv[1], "rb") as file:
    text = file.read().decode("latin-1")
early = 0
for name, body in re.findall(r"\.entry (\w+)\((.*?)\n\}", text, re.DOTALL):
    before, wait, after = body.partition("griddepcontrol.wait")
    found = re.search(r"^.*\b(ld|st|atom|red|cp|prefetch)\.(async|volatile|relaxed|acquire|weak|global|bulk|u\d|b\d|f\d|v\d).*$",
                      before, re.MULTILINE)
    slots = re.search(r"_slots_\d+$", name)
    if slots and "griddepcontrol.launch_dependents" not in after:
        early += 1
        print(f"{name}: lets the next one start before it waits")
    elif wait and slots and found and found.group(1) == "ld" and not re.search(r"\b(st|atom|red)\.global", before):
        print(f"{name}: fetches, then waits")
    elif wait and found:
        early += 1
        print(f"{name}: before it waits: {found.group().strip()}")
    else:
        print(f"{name}: {'waits first' if wait else 'never waits'}")
sys.exit(1 if early else 0)
