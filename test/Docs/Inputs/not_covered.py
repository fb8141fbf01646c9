"""Compares docs/not-covered.md with what the sources refuse: not_covered.py PAGE FOLDER...

The words of each refusal in the folders' sources stand in the page between backticks at the beginning of a line of a list, and
nothing else does. What is put together from parts stands with … for the parts that vary.
"""
import pathlib
import re
import sys

LITERAL = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(r'(?:unsupported|emitError)\((?:[^;"]|"(?:[^"\\]|\\.)*")*;', re.S)
OTHER = ("compiled code does not cover ", "is not compiled", "compiled code cannot do")


def words(call):
    """What a call says; … for what else is put in. Of `a ? b : c` each is said in its turn."""
    if call.startswith("emitError") and not any(other in "".join(re.findall(LITERAL, call)) for other in OTHER):
        return
    masked = re.sub(LITERAL, lambda found: found[0].replace("?", "\1").replace(":", "\2"), call)
    for alternative in re.split(r"\?|(?<!:):(?!:)", masked):
        pieces = re.split(LITERAL, alternative)  # code and literals in turn
        text = pieces[1] if len(pieces) > 1 else ""
        for code, literal in zip(pieces[2::2], pieces[3::2]):
            text += ("…" if code.strip() else "") + literal
        if len(pieces) > 1 and re.search(r"[+<]", pieces[-1]):
            text += "…"
        text = text.replace("\1", "?").replace("\2", ":").replace(OTHER[0], "").split(" yet")[0]
        if re.match("[^ ;].*[a-z]{3}", text):
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
