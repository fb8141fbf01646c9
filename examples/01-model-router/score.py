"""Scores decisions on the 500 test queries: accuracy and cost, beside every single model, random and the oracle.

usage: score.py [--expect FILE] [NAME=]decisions.jsonl ...   (standard library only)

A decisions file has one line per line of data/requests.jsonl with a field "model": a row's name, or null where the
policy rejected (scores 0, costs nothing). Exits with 1 if a file does not match the requests, or if a model differs
from the one in FILE.
"""
import argparse
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
MAX_OUT = 256  # tokens assumed in every answer; the data records no answer lengths


def decision(item):
    """The model of a line: its `model`, or the first row of the plan `pick` as route-run writes it; null for none."""
    chosen = item.get("model", item.get("pick"))
    if isinstance(chosen, list):
        return chosen[0] if chosen else None
    return chosen


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def mean(values):
    return math.fsum(values) / len(values)


def row(name, scores, costs, base=None):
    """One line of the table; `base` is the scores to compare with, query by query."""
    text = f"{name:<24}{mean(scores):9.3f}{1000 * mean(costs):12.4f}"
    if base is not None:
        gain = [s - b for s, b in zip(scores, base)]
        error = math.sqrt(math.fsum((g - mean(gain)) ** 2 for g in gain) / (len(gain) - 1) / len(gain))
        text += f"{mean(gain):+11.3f} (se {error:.3f})"
    print(text)


def compare(files, expected, source):
    """Exits with 1 at the first file that decides otherwise than `expected`, naming the first such request."""
    for _, path, picks in files:
        other = [i for i, (a, b) in enumerate(zip(picks, expected)) if a != b]
        if other:
            i = other[0]
            sys.exit(f"{path}: {len(other)} decisions differ from {source}, first in line {i + 1}: "
                     f"'{picks[i]}', expected '{expected[i]}'")
        print(f"{path}: all {len(picks)} decisions as in {source}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expect", metavar="FILE", help="decisions that every file must repeat")
    parser.add_argument("decisions", nargs="*", metavar="[NAME=]FILE")
    args = parser.parse_args()
    files = []
    for argument in args.decisions:
        name, _, path = argument.rpartition("=")
        files.append((name, path, [decision(item) for item in lines(path)]))
    with open(HERE / "models.json", encoding="utf-8") as file:
        models = json.load(file)
    scores = [item["scores"] for item in lines(HERE / "data" / "scores.jsonl")]
    sizes = [-(-len(item["prompt"].encode()) // 4) for item in lines(HERE / "data" / "requests.jsonl")]
    names = [m["name"] for m in models]
    costs = [[(m["price_in"] * n + m["price_out"] * MAX_OUT) / 1e6 for m in models] for n in sizes]
    every = range(len(scores))

    best = max(range(len(models)), key=lambda m: mean([scores[i][m] for i in every]))
    base = [scores[i][best] for i in every]
    print(f"{'':24}{'accuracy':>9}{'$/1k calls':>12}{'against ' + names[best]:>24}")
    for name, path, picks in files:
        if len(picks) != len(scores):
            sys.exit(f"{path}: {len(picks)} decisions for {len(scores)} requests")
        unknown = sorted({str(p) for p in picks if p is not None and p not in names})
        if unknown:
            sys.exit(f"{path}: no model '{unknown[0]}' among {', '.join(names)}")
        pick = [None if p is None else names.index(p) for p in picks]
        row(
            name or pathlib.Path(path).stem,
            [0.0 if pick[i] is None else scores[i][pick[i]] for i in every],
            [0.0 if pick[i] is None else costs[i][pick[i]] for i in every],
            base,
        )
    for m in sorted(range(len(models)), key=lambda m: -mean([scores[i][m] for i in every])):
        row(f"always {names[m]}", [scores[i][m] for i in every], [costs[i][m] for i in every])
    row("random", [mean(scores[i]) for i in every], [mean(costs[i]) for i in every])
    # The oracle knows the scores: the cheapest of the models that do best on the query.
    oracle = [min(range(len(models)), key=lambda m: (-scores[i][m], costs[i][m])) for i in every]
    row("oracle", [scores[i][oracle[i]] for i in every], [costs[i][oracle[i]] for i in every])
    if args.expect:
        compare(files, [item["model"] for item in lines(args.expect)], args.expect)


if __name__ == "__main__":
    main()
