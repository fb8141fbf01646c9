"""Prints a spec of a given size that is hard on the checker: hostile.py KIND COUNT."""
import sys

kind, count = sys.argv[1], int(sys.argv[2])
if kind == "doubling":  # each definition uses the one before it twice
    print("axis token\nsignal x: f32[token]\nlet a0 = x")
    for i in range(count):
        print(f"let a{i + 1} = a{i} + a{i}")
    print(f"route r(x) -> f32[token] = a{count}")
elif kind in ("rows", "twice"):  # a long pool; with its first row once more
    print("axis request { n: f32 }\npool models {")
    for i in range(count):
        print(f"  r{i} {{ p: {i} }}")
    if kind == "twice":
        print("  r0 { p: 1 }")
    print("}\nrouter pick(request) -> models { return choose 1 of models by p }")
else:
    sys.exit(f"no kind '{kind}'")
