"""Compares what the checker refuses as not covered (R0800) with the list in docs/semantics.md: refusals.py SOURCES PAGE.

In the sources a refusal is a call of `unsupported` with the place and what it is; on the page an item of the list under
"Not covered". Prints what only one of the two has and exits with 1."""
import pathlib
import re
import sys


def refused(folder):
    found = set()
    for source in folder.glob("*.cpp"):
        for words in re.findall(r"\bunsupported\(\s*[^;\"]*?,\s*((?:\"[^\"]*\"\s*)+)\)", source.read_text()):
            found.add("".join(re.findall(r'"([^"]*)"', words)))
    return found


def listed(page):
    chapter = page.read_text().split("## Not covered")[1].split("\n## ")[0]
    return {" ".join(item.split()) for item in re.findall(r"^- (.*?)(?=^- |^\s*$|\Z)", chapter, re.MULTILINE | re.DOTALL)}


def main():
    sources, page = refused(pathlib.Path(sys.argv[1])), listed(pathlib.Path(sys.argv[2]))
    if not sources:
        print("no refusals found in the sources")
        return 1
    for words in sorted(sources - page):
        print(f"not in the page: {words}")
    for words in sorted(page - sources):
        print(f"not in the sources: {words}")
    return int(sources != page)


sys.exit(main())
