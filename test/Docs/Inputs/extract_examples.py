"""Writes each fenced ```route block of a Markdown page into a folder, one file
a block, named by the line where it begins. Blank lines in front keep the line
numbers of messages those of the page."""
import pathlib
import re
import sys


def main(page, folder):
    folder.mkdir(parents=True, exist_ok=True)
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```route\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    if not blocks:
        sys.exit(f"{page}: no examples")
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        (folder / f"{page.stem}-{line + 1:04}.route").write_text("\n" * line + block.group(1), encoding="utf-8")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
