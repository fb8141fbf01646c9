#!/usr/bin/env python3
"""Prints the Nth fenced block of a language from a Markdown file: blocks.py FILE LANGUAGE N."""
import re
import sys

path, language, number = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.S | re.M)
sys.stdout.write(blocks[int(number)])
