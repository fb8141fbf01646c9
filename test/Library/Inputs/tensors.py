"""Prints the tensors of a safetensors file, a line each: tensors.py FILE."""
import sys

from compare import read

for name, (dtype, shape, values) in sorted(read(sys.argv[1]).items()):
    print(name, values[0] if not shape else values)
