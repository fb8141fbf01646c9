"""The policy of router.route in numpy: what the compiled library must decide, written independently of the compiler.

usage: reference.py [--worth DOLLARS] [requests.jsonl] > decisions.jsonl
Each line gets the chosen model and the margin by which it won; a margin near the rounding of f32 may flip elsewhere.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import load_file

import features

HERE = pathlib.Path(__file__).parent


def expected_scores(x: np.ndarray, policy: dict) -> np.ndarray:
    """[prompt, model]: the accuracy expected of each model, from features [prompt, dim]."""
    return features.softmax(x @ policy["topic.weight"].T + policy["topic.bias"]) @ policy["accuracy"]


def decide(prompts: list[bytes], policy: dict, rows: list[dict], worth: float):
    """The chosen row per prompt (-1: rejected) and its margin (infinite where nothing competed)."""
    key = expected_scores(np.stack([features.ngrams(p) for p in prompts]), policy).astype(np.float64)
    key -= features.costs(prompts, rows) / worth
    room = np.array([r["context"] for r in rows])
    code = [r["name"] for r in rows].index("qwen_7b")
    picks, margins = [], []
    for prompt, keys in zip(prompts, key):
        fits = features.tokens(prompt) + features.MAX_OUT <= room
        order = [m for m in np.argsort(-keys, kind="stable") if fits[m]]
        if features.is_code(prompt) and fits[code]:
            picks.append(code)
            margins.append(float("inf"))
        elif not order:
            picks.append(-1)
            margins.append(float("inf"))
        else:
            picks.append(int(order[0]))
            margins.append(float(keys[order[0]] - keys[order[1]]) if len(order) > 1 else float("inf"))
    return picks, margins


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requests", nargs="?", default=HERE / "data" / "requests.jsonl")
    parser.add_argument("--worth", type=float, default=0.01, help="dollars that one right answer is worth")
    args = parser.parse_args()
    rows = features.models(HERE / "models.json")
    with open(args.requests, encoding="utf-8") as file:
        prompts = [json.loads(line)["prompt"].encode() for line in file]
    picks, margins = decide(prompts, load_file(HERE / "weights.safetensors"), rows, args.worth)
    for pick, margin in zip(picks, margins):
        line = {"model": rows[pick]["name"] if pick >= 0 else None}
        if margin != float("inf"):
            line["margin"] = round(margin, 6)
        print(json.dumps(line))
    print(f"smallest margin {min(margins):.2g}", file=sys.stderr)


if __name__ == "__main__":
    main()
