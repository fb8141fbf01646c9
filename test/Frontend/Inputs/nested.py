"""Writes files at and beyond the limits of the parser into a folder."""
import pathlib
import random
import sys

TEXTS = {
    "ok-brackets": "let x = " + "(" * 256 + "a" + ")" * 256,
    "ok-operators": "let x = a" + " + a" * 400,
    "ok-blocks": "route r() { " + "if a { " * 200 + "b()" + " }" * 200 + " }",
    "ok-list": "let x = [" + "1, " * 20000 + "1]",
    "brackets": "let x = " + "(" * 257 + "a" + ")" * 257,
    "operators": "let x = a" + " + a" * 2000,
    "signs": "let x = " + "- " * 2000 + "a",
    "not": "let x = " + "not " * 2200 + "a",
    "suffixes": "let x = a" + ".a" * 1100,
    # Each bracket lets the chain in it start as deep as the bracket stands.
    "mixed": "let x = " + "(" * 200 + "a" + (" + a" * 200 + ")") * 200,
    "then": "let x = " + "if a then " * 300 + "b" + " else c" * 300,
    "elseif": "route r() { " + "if a { b() } else " * 300 + "{ c() } }",
    "else": "let x = " + "choose 1 of a else " * 300 + "b",
    "types": "param x: " + "ref " * 300 + "a",
    "words": "let x = [" + "1," * 600_000 + "1]",
    "large": "//" + "x" * (16 << 20),
    "signs-only": "!" * 1_000_000,
}


def main(folder):
    for name, text in TEXTS.items():
        (folder / f"{name}.route").write_text(text + "\n")
    (folder / "noise.route").write_bytes(b"\xff" + random.Random(7).randbytes(1_000_000))


main(pathlib.Path(sys.argv[1]))
