"""Compares docs/not-covered.md with what the sources refuse: not_covered.py PAGE FOLDER...

Every refusal with R0900 is a call of notCovered(op, what) (route/Notice.h). The words of each in the folders' sources stand in
the page between backticks at the beginning of a line of a list, and nothing else does. What is put together from parts stands
with … for the parts that vary. Whoever raises the code in another way is told of.
"""
import pathlib
import re
import sys

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'|//[^\n]*|.', re.S)
CALL = re.compile(r"\bnotCovered\(")
# The kind and its code meet in one place, where one becomes the other.
BY_HAND = re.compile(r"(?<!case )Notice::notCovered|(?<!return )diag::notCompiled")


def arguments(text, at):
    """The arguments of the call whose parenthesis ends at `at`: lists of tokens."""
    result, depth = [[]], 0
    for found in TOKEN.finditer(text, at):
        token = found[0]
        if token in "([{":
            depth += 1
        elif token in ")]}":
            if depth == 0:
                return result
            depth -= 1
        if token == "," and depth == 0:
            result.append([])
        elif not token.startswith("//"):
            result[-1].append(token)
    raise SystemExit("a call without an end")


def words(tokens):
    """What an expression says, each case of `a ? b : c` in its turn; … for what is no literal."""
    tokens = [token for token in tokens if not token.isspace()]
    depth, question, colon = 0, None, None
    for i, token in enumerate(tokens):
        depth += (token in "([{") - (token in ")]}")
        if depth == 0 and token == "?" and question is None:
            question = i
        if depth == 0 and token == ":" and question is not None and ":" not in (tokens[i - 1], tokens[i + 1]):
            colon = i
            break
    if colon:
        yield from words(tokens[question + 1:colon])
        yield from words(tokens[colon + 1:])
        return
    depth, text = 0, ""
    for token in tokens:
        depth += (token in "([{") - (token in ")]}")
        if token.startswith('"') and depth == 0:
            text += token[1:-1]
        elif token != "+" and not text.endswith("…"):
            text += "…"
    yield text


def main():
    page, *folders = sys.argv[1:]
    refused = set()
    for path in sorted(path for folder in folders for path in pathlib.Path(folder).rglob("*.[ch]*")):
        text = path.read_text()
        for call in CALL.finditer(text):
            refused.update(words(arguments(text, call.end())[1]))
        for found in BY_HAND.finditer(text):
            print(f"{path.name}:{text[:found.start()].count(chr(10)) + 1}: raised by hand")
    listed = set(re.findall(r"^- `([^`]+)`", pathlib.Path(page).read_text(), re.M))
    for text in sorted(refused - listed):
        print("not in the page:", text)
    for text in sorted(listed - refused):
        print("not in the sources:", text)


main()
