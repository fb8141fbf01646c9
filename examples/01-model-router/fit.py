"""Fits weights.safetensors: a topic classifier on hashed byte 3-grams and a table of each model's accuracy per topic.

usage: fit.py --data DIR [--out weights.safetensors]

DIR holds train.json and queries_train.jsonl of ulab-uiuc/LLMRouter. Needs numpy and safetensors; takes about ten
seconds on one core and draws no random numbers. The task names of queries_train.jsonl are labels for training only:
the policy infers the topic from the prompt's bytes. Test data is not read here.
"""
import argparse
import hashlib
import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

import features

HERE = pathlib.Path(__file__).parent
DECAY, STEPS = 1e-5, 300  # chosen by cross-validation, see compare.py


def load(folder: pathlib.Path, split: str, rows: list[dict]):
    """Prompts (bytes), scores f64[prompt, model] and task names of upstream's `split`."""
    with open(folder / f"queries_{split}.jsonl", encoding="utf-8") as file:
        task = {q["query"]: q["task_name"] for q in map(json.loads, file)}
    with open(folder / f"{split}.json", encoding="utf-8") as file:
        items = json.load(file)
    scores = np.array([[item["scores"][r["id"]] for r in rows] for item in items])
    return [item["question"].encode() for item in items], scores, [task[item["question"]] for item in items]


def fit_topics(x: np.ndarray, onehot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression by accelerated gradient descent: weight [topic, dim], bias [topic].

    x is f32[prompt, dim], onehot f32[prompt, topic]. The step is 1 / an upper bound of the loss's curvature, so the
    result depends on no tuning beyond DECAY and STEPS.
    """
    x1 = np.hstack([x, np.ones((len(x), 1), np.float32)])
    v = np.ones(x1.shape[1], np.float32)
    for _ in range(20):  # power iteration for the largest eigenvalue of x1' x1
        v = x1.T @ (x1 @ v)
        top = np.linalg.norm(v)
        v /= top
    step = 1 / (0.5 * 1.02 * top / len(x) + DECAY)
    w = np.zeros((x1.shape[1], onehot.shape[1]), np.float32)
    ahead, t = w, 1.0
    for _ in range(STEPS):
        gradient = x1.T @ (features.softmax(x1 @ ahead) - onehot) / np.float32(len(x)) + DECAY * ahead
        t, before = (1 + (1 + 4 * t * t) ** 0.5) / 2, t
        following = (ahead - step * gradient).astype(np.float32)
        ahead = following + np.float32((before - 1) / t) * (following - w)
        w = following
    return np.ascontiguousarray(w[:-1].T), w[-1].copy()


def fit_policy(x, scores, tasks) -> dict[str, np.ndarray]:
    """The three tensors of weights.safetensors."""
    names = sorted(set(tasks))
    label = np.array([names.index(t) for t in tasks])
    weight, bias = fit_topics(x, np.eye(len(names), dtype=np.float32)[label])
    table = np.array([scores[label == k].mean(0) for k in range(len(names))], np.float32)
    return {"topic.weight": weight, "topic.bias": bias, "accuracy": table}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "weights.safetensors")
    args = parser.parse_args()
    rows = features.models(HERE / "models.json")
    prompts, scores, tasks = load(args.data, "train", rows)
    policy = fit_policy(np.stack([features.ngrams(p) for p in prompts]), scores, tasks)
    origin = hashlib.sha256((args.data / "train.json").read_bytes()).hexdigest()
    about = (
        f"fitted from ulab-uiuc/LLMRouter (MIT), train.json sha256 {origin}; topics {' '.join(sorted(set(tasks)))}; "
        f"models {' '.join(r['name'] for r in rows)}; features ngrams n={features.GRAM} bytes dim={features.DIM} fnv1a binary l2"
    )
    # One entry: several would be written in an order that changes from run to run.
    save_file(policy, args.out, {"about": about})
    args.out.chmod(0o644)
    print(f"{args.out}: {sum(t.nbytes for t in policy.values())} bytes of weights from {len(prompts)} queries")


if __name__ == "__main__":
    main()
