"""Writes a safetensors file of one f32 tensor with values that repeat every seven: make.py FILE NAME SIZE…"""
import sys

from compare import product, write

path, name, shape = sys.argv[1], sys.argv[2], [int(size) for size in sys.argv[3:]]
write(path, {name: ("F32", shape, [(5 * i % 7 - 3) / 4 for i in range(product(shape))])})
