"""The Python binding on NumPy's arrays: arrays.py LIB.so RUNTIME."""

import sys

import numpy
import route

library, runtime = sys.argv[1:]
# Expert e looks at column e: token t, with its large values in columns t and t + 1, goes there.
w = numpy.zeros((8, 64), "float32")
w[range(8), range(8)] = 1
x = numpy.zeros((5, 64), "float32")
x[range(5), range(5)], x[range(5), range(1, 6)] = 3, 2


def flat(out):
    return out["gate"].ravel().tolist()


print(flat(route.load(library, tensors={"gate.w": w}, runtime=runtime).gate(x=x)))
# Memory of a mapped file or of another process is often read-only.
locked = numpy.frombuffer(w.tobytes(), "float32").reshape(w.shape)
x.flags.writeable = False
gate = route.load(library, tensors={"gate.w": locked}, runtime=runtime)
print("read-only", flat(gate.gate(x=x)))
print("transposed", flat(gate.gate(x=numpy.asfortranarray(x))))
try:
    gate.gate(x=x.astype("float64"))
except TypeError as problem:
    print(f"TypeError: {problem}")
