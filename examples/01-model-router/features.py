"""What the policy sees of a request, in numpy: the same features that router.route names.

Shared by fit.py, compare.py and reference.py so that the weights are fitted on exactly what the
compiled library computes.
"""
import json
import re

import numpy as np

DIM = 1024  # hashed features, a power of two
GRAM = 3  # bytes in one n-gram
MAX_OUT = 256  # tokens assumed in every answer; the data records no answer lengths
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
CODE = re.compile(rb"```|(^|\n)[ \t]*def \w+\(|>>> ")


def ngrams(prompt: bytes, dim: int = DIM, n: int = GRAM) -> np.ndarray:
    """f32[dim]: 1 where an n-byte window hashes to (FNV-1a 64, modulo dim), scaled to length 1; 0 if there is none."""
    out = np.zeros(dim, np.float32)
    data = np.frombuffer(prompt, np.uint8).astype(np.uint64)
    windows = len(data) - n + 1
    if windows < 1:
        return out
    state = np.full(windows, FNV_OFFSET, np.uint64)
    for i in range(n):
        state = (state ^ data[i : i + windows]) * np.uint64(FNV_PRIME)
    out[state % np.uint64(dim)] = 1
    return out / np.sqrt(out.sum(dtype=np.float32))


def tokens(prompt: bytes) -> int:
    """The estimate of a prompt's tokens that costs use: one per four bytes, rounded up."""
    return -(-len(prompt) // 4)


def is_code(prompt: bytes) -> bool:
    """A code fence, a Python definition at a line's start, or a Python prompt."""
    return CODE.search(prompt) is not None


def models(path) -> list[dict]:
    """The rows of models.json: name, upstream id, prices in $ a million tokens, context in tokens."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def costs(prompts: list[bytes], rows: list[dict]) -> np.ndarray:
    """f64[prompt, model]: dollars for each prompt and MAX_OUT tokens of answer."""
    tin = np.array([tokens(p) for p in prompts], np.float64)[:, None]
    price_in = np.array([r["price_in"] for r in rows])[None]
    price_out = np.array([r["price_out"] for r in rows])[None]
    return (price_in * tin + price_out * MAX_OUT) / 1e6


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise, shifted by the row's maximum."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
