"""Which kernels of a text with PTX in it touch memory too early: early_accesses.py FILE.

The runtime starts a kernel before those launched earlier have ended, if its blocks do not stay. Until a thread of such a
kernel has executed griddepcontrol.wait, what they write is not there for it. Follows all ways from each kernel's start to
that instruction and prints a line for each kernel; exit status 1 if one reads or writes global memory before it waits.
Kernels that never wait are counted apart: the runtime must not start them early.
Products slot by slot may load weights first: the kernel ahead of them lets them start after it has waited itself, and
so must they. Products whose blocks share K may fetch boxes of matrices first: of which parameters is printed.
Products that await experts one by one, or all where nothing counts their rows, are named alone: which of both a call does
no text says, and the emulator looks at what they read (Emulator/random.test).
"""

import re
import sys

ACCESS = re.compile(r"\b(ld|st|atom|red|cp|prefetch)\.(async|volatile|relaxed|acquire|weak|global|bulk|u\d|b\d|f\d|v\d)")


def kernels(text):
    """The name of each kernel and the lines of its body."""
    for start in re.finditer(r"\.entry (\w+)\(.*?\)\s*(?:\.\w+[^\n]*\n)*\{", text, re.DOTALL):
        lines, depth = [], 1
        for line in text[start.end():].split("\n"):
            depth += line.count("{") - line.count("}") if line.strip() in ("{", "}") else 0
            if not depth:
                break
            lines.append(line.strip())
        yield start.group(1), lines


def ways(lines):
    """Where each line goes on; labels count within the innermost braces that have them."""
    scopes, labels, scope_of = [0], {}, []
    for i, line in enumerate(lines):
        if line == "{":
            scopes.append(i)
        scope_of.append(list(scopes))
        if line == "}":
            scopes.pop()
        if label := re.fullmatch(r"([\w$]+):", line):
            labels[scopes[-1], label.group(1)] = i
    for i, line in enumerate(lines):
        branch = re.match(r"(@\S+\s+)?bra(?:\.uni)?\s+([\w$]+);", line)
        if re.match(r"(ret|exit);", line) or line.startswith("griddepcontrol.wait"):
            yield []
        elif branch:
            to = next(labels[s, branch.group(2)] for s in reversed(scope_of[i]) if (s, branch.group(2)) in labels)
            yield [to] + ([i + 1] if branch.group(1) else [])
        else:
            yield [i + 1]


def before_waiting(lines):
    """The accesses that a thread may come to before it has waited."""
    after, seen, todo = list(ways(lines)), set(), [0]
    while todo:
        i = todo.pop()
        if i < len(lines) and i not in seen:
            seen.add(i)
            todo += after[i]
    return [lines[i] for i in sorted(seen) if ACCESS.search(lines[i])]


def parameter_of(access, lines):
    """The number of the parameter whose map a box is fetched by."""
    register = re.search(r"\[([%\w]+),\s*\{", access)
    while register and not register.group(1).rpartition("_param_")[1]:
        made = re.compile(rf"(?:mov\.b64|cvta\S*)\s+{re.escape(register.group(1))},\s*([%\w]+);")
        register = next(filter(None, map(made.match, lines)), None)
    return int(register.group(1).rpartition("_")[2]) if register else -1


with open(sys.argv[1], "rb") as file:
    text = file.read().decode("latin-1")
early = 0
for name, lines in kernels(text):
    waits = [i for i, line in enumerate(lines) if line.startswith("griddepcontrol.wait")]
    found = before_waiting(lines)
    boxes = {parameter_of(each, lines) for each in found if each.startswith("cp.async.bulk.tensor")}
    slots = re.search(r"_slots_\d+$", name)
    if slots and not any(line.startswith("griddepcontrol.launch_dependents") for line in lines[min(waits, default=0):]):
        early += 1
        print(f"{name}: lets the next one start before it waits")
    elif not waits:
        print(f"{name}: never waits")
    elif not found:
        print(f"{name}: waits first")
    elif re.search(r"_wgmma_\d+$", name) and any(line.startswith("ld.acquire.gpu") for line in lines):
        print(f"{name}: awaits experts")
    elif slots and all(re.match(r"(@\S+\s+)?ld\.", each) for each in found):
        print(f"{name}: fetches, then waits")
    elif re.search(r"_wgmma_\d+$", name) and all(each.startswith("cp.async.bulk.tensor") for each in found):
        print(f"{name}: fetches boxes of {', '.join(map(str, sorted(boxes)))}, then waits")
    else:
        early += 1
        print(f"{name}: before it waits: {found[0]}")
sys.exit(1 if early else 0)
