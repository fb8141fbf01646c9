"""The candidates that were considered: cross-validated on the training queries, then each scored once on the test.

usage: compare.py --data DIR   (DIR as for fit.py, with the test split too; some minutes on one core)

Five folds, three shuffles with fixed seeds. The column to choose by is the cross-validated one.
"""
import argparse
import pathlib

import numpy as np

import features
import fit
import reference

HERE = pathlib.Path(__file__).parent
FOLDS, SEEDS = 5, (0, 1, 2)


def counts(prompt: bytes) -> np.ndarray:
    """f32[8]: cheap structure instead of n-grams: length, and logarithms of how often seven kinds of byte occur."""
    data = np.frombuffer(prompt, np.uint8)
    kinds = [
        (data >= 48) & (data <= 57),  # digits
        (data >= 65) & (data <= 90),  # capitals
        data == 10,
        data == 44,
        data == 63,
        data == 92,
        data == 32,
    ]
    return np.log1p(np.array([len(data)] + [k.sum() for k in kinds], np.float32)) / 4


def by_topic(x, scores, tasks, held):
    return reference.expected_scores(held, fit.fit_policy(x, scores, tasks))


def by_ridge(x, scores, tasks, held):
    x1, held1 = (np.hstack([a, np.ones((len(a), 1), np.float32)]) for a in (x, held))
    gram = x1.T @ x1 + np.eye(x1.shape[1], dtype=np.float32)
    return held1 @ np.linalg.solve(gram, x1.T @ scores.astype(np.float32))


def by_neighbours(x, scores, tasks, held):
    nearest = np.argsort(-(held @ x.T), axis=1, kind="stable")[:, :100]
    return scores[nearest].mean(1)


def taken(scores, key):
    """The scores of the models that `key` chooses."""
    return scores[np.arange(len(scores)), key.argmax(1)]


def cross_validate(method, x, scores, tasks):
    """[seed, prompt, model]: scores predicted for each prompt by a fit that did not see it."""
    tasks, out = np.array(tasks), np.zeros((len(SEEDS), *scores.shape))
    for s, seed in enumerate(SEEDS):
        fold = np.random.default_rng(seed).permutation(len(scores)) % FOLDS
        for k in range(FOLDS):
            seen, held = fold != k, fold == k
            out[s, held] = method(x[seen], scores[seen], tasks[seen], x[held])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    folder = parser.parse_args().data
    rows = features.models(HERE / "models.json")
    names = [r["name"] for r in rows]
    prompts, scores, tasks = fit.load(folder, "train", rows)
    test_prompts, test_scores, test_tasks = fit.load(folder, "test", rows)
    prices = features.costs(prompts, rows)
    index = np.arange(len(scores))

    print(f"{'candidate, by accuracy alone':36}{'train, cv':>10}{'test':>8}")
    best = scores.mean(0).argmax()
    print(f"{'best single model':36}{scores[:, best].mean():10.4f}{test_scores[:, best].mean():8.4f}")
    grams = {}
    for label, method, feature in [
        ("topics from structure counts", by_topic, "counts"),
        ("topics from 3-grams, 512", by_topic, (512, 3)),
        ("topics from 3-grams, 1024 (chosen)", by_topic, (1024, 3)),
        ("topics from 3-grams, 2048", by_topic, (2048, 3)),
        ("topics from 4-grams, 1024", by_topic, (1024, 4)),
        ("ridge on 3-grams, 1024", by_ridge, (1024, 3)),
        ("100 nearest neighbours, 1024", by_neighbours, (1024, 3)),
    ]:
        make = counts if feature == "counts" else lambda p: features.ngrams(p, *feature)
        x, held = (np.stack([make(p) for p in which]) for which in (prompts, test_prompts))
        predicted = grams[label] = cross_validate(method, x, scores, tasks)
        valid = np.mean([taken(scores, p).mean() for p in predicted])
        print(f"{label:36}{valid:10.4f}{taken(test_scores, method(x, scores, tasks, held)).mean():8.4f}", flush=True)
    # What a perfect topic classifier would reach: the task names themselves as the topic. No policy may read them.
    kinds = sorted(set(tasks))
    one = np.eye(len(kinds))[[kinds.index(t) for t in tasks]]
    one_test = np.eye(len(kinds))[[kinds.index(t) for t in test_tasks]]
    table = lambda x, s, t, h: h @ (x.T @ s / x.sum(0)[:, None])
    valid = np.mean([taken(scores, p).mean() for p in cross_validate(table, one, scores, tasks)])
    print(f"{'bound: the true task as topic':36}{valid:10.4f}{taken(test_scores, table(one, scores, tasks, one_test)).mean():8.4f}")

    predicted = grams["topics from 3-grams, 1024 (chosen)"]
    print(f"\n{'worth of a right answer, cv':36}{'accuracy':>10}{'$/1k':>8}")
    for worth in (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.02, 0.05, np.inf):
        picks = [(p - prices / worth).argmax(1) for p in predicted]
        money = np.mean([prices[index, p].mean() for p in picks])
        print(f"{f'${worth}':36}{np.mean([scores[index, p].mean() for p in picks]):10.4f}{1000 * money:8.4f}")

    code = np.array([features.is_code(p) for p in prompts])
    picks = [(p - prices / 0.01).argmax(1) for p in predicted]
    print(f"\n{code.sum()} training queries hold code; on them{'accuracy':>19}{'$/1k':>8}")
    for name in ("qwen_7b", "codegemma_7b", "nemotron_51b"):
        m = names.index(name)
        print(f"{'rule: code -> ' + name:45}{scores[code, m].mean():10.4f}{1000 * prices[code, m].mean():8.4f}")
    got = np.mean([scores[index, p][code].mean() for p in picks])
    money = np.mean([prices[index, p][code].mean() for p in picks])
    print(f"{'no rule, the learned choice at $0.01':45}{got:10.4f}{1000 * money:8.4f}")


if __name__ == "__main__":
    main()
