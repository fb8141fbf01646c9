"""Compares docs/not-covered.md with what the sources refuse: not_covered.py PAGE FOLDER...

The words of each refusal, `unsupported(op, "words")` in the folders' sources, stand in the page between backticks at the
beginning of a line of a list, and nothing else does. What is put together from parts stands with … for the parts that vary.
"""
import pathlib
import re
import sys

LITERAL = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(r"unsupported\(\s*[^;]*?\)\s*;", re.S)


def words(call):
    """The literals of a call, one behind the other; … where something else is added between them."""
    for alternative in re.split(r"\?|(?<!:):(?!:)", call):
        parts = re.findall(LITERAL + r"|(\+)", alternative)
        text = "".join(literal if not plus else "\0" for literal, plus in parts)
        text = re.sub(r"\0+", "…" if "\0" in text else "", text)
        if re.sub("[…' ]", "", text):
            yield text


def main():
    page, *folders = sys.argv[1:]
    refused = set()
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.cpp")):
            for call in CALL.findall(path.read_text()):
                refused.update(words(call))
    listed = set(re.findall(r"^- `([^`]+)`", pathlib.Path(page).read_text(), re.M))
    for text in sorted(refused - listed):
        print("not in the page:", text)
    for text in sorted(listed - refused):
        print("not in the sources:", text)


main()
