"""Writes the keyword rules of a semantic-router policy as patterns for bench-text.

usage: patterns.py config.yaml > PATTERNS
"""
import sys

import yaml


def rules(node):
    """Every keyword rule below a node of the policy."""
    if isinstance(node, dict):
        found = node.get("keywords")
        if isinstance(found, list) and found and isinstance(found[0], dict):
            yield from found
        for value in node.values():
            yield from rules(value)
    elif isinstance(node, list):
        for value in node:
            yield from rules(value)


for rule in rules(yaml.safe_load(open(sys.argv[1], encoding="utf-8"))):
    kind = "r" if rule.get("method") == "regex" else "k"
    for keyword in rule["keywords"]:
        print(kind, keyword)
