"""Writes the examples of a Markdown page into two folders: extract_examples.py PAGE FOLDER.

Each fenced ```route block is a whole spec and goes to FOLDER/whole, each ```route fragment to FOLDER/fragment, one
file a block, named by the line where it begins. Blank lines in front keep the line numbers of messages those of the
page. The count of each is printed."""
import pathlib
import re
import sys


def main(page, folder):
    text = page.read_text(encoding="utf-8")
    counts = {"whole": 0, "fragment": 0}
    for block in re.finditer(r"^```route( fragment)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        kind = "fragment" if block.group(1) else "whole"
        counts[kind] += 1
        line = text.count("\n", 0, block.start(2))
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{page.stem}-{line + 1:04}.route").write_text("\n" * line + block.group(2), encoding="utf-8")
    if not counts["whole"]:
        sys.exit(f"{page}: no examples")
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
