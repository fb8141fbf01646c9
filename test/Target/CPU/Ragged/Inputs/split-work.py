# Splits every call of a work body into three ranges, last first, as threads might run them.
import re, sys

call = re.compile(r"(\s*)((?:func\.)?call @\w+\()(%\w+), (%\w+)(, .*\{ragged\.parallel\}.*)")
count = 0
for line in sys.stdin:
    match = call.match(line)
    if not match:
        print(line, end="")
        continue
    indent, head, begin, end, tail = match.groups()
    n = f"%split{count}"
    print(f"{indent}{n}_three = arith.constant 3 : index")
    print(f"{indent}{n}_low = arith.divui {end}, {n}_three : index")
    print(f"{indent}{n}_high = arith.subi {end}, {n}_low : index")
    for low, high in ((f"{n}_high", end), (f"{n}_low", f"{n}_high"), (begin, f"{n}_low")):
        print(f"{indent}{head}{low}, {high}{tail}")
    count += 1
sys.exit(count == 0)
