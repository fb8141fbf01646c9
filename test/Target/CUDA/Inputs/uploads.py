"""Calls an entry that begins on the CPU with embeddings "on the GPU" of the driver that only writes down what it is
asked, whose memory is the host's, and prints what the CPU's part uploads. uploads.py LIBRARY DRIVER [constants]: with that
the entry's texts are constants."""

import sys

import route
from lent import FakeDriver, Lent

driver = FakeDriver(sys.argv[2])


def call(**inputs):
    """The outputs' names, whether all are on the GPU, and the bytes that went there."""
    driver.uploads()
    try:
        results = library.pick(**inputs)
    except route.RouteError as error:
        print(error)
        return
    print(*results, all(isinstance(each, Lent) for each in results.values()))
    for data in driver.uploads():
        print(len(data), *[list(data[at : at + 4]) for at in range(0, len(data), 64)])


if sys.argv[3:] == ["constants"]:
    library = route.load(sys.argv[1], tensors={"pick.w": Lent((4, 3), 12)}, cuda=True)
    call(x=Lent((4, 4), 12))
    driver.capture(64)
    call(x=Lent((4, 4), 12))
    sys.exit()

weights = Lent((4, 2), 12)
library = route.load(sys.argv[1], tensors={"pick.w": weights}, cuda=True)
embedding = Lent((4, 4), 12)
prompts = ["def f", "nothing", "now: def g", None]
call(prompt=prompts, embedding=embedding)
call(embedding=embedding)
call(prompt=["", "now", "", "def "], embedding=embedding)
# Numbers that the host has, where the GPU reads them; and the other way round.
call(prompt=prompts, embedding=[[0.0] * 4] * 4)
call(prompt=Lent((4,), 9), embedding=embedding)
driver.capture(64)
call(prompt=prompts, embedding=embedding)
