"""Entries whose texts the CPU reads before a GPU goes on, against the same library on the CPU, bit for bit.

    python3 prompts.py specs FOLDER         writes the specs
    python3 prompts.py make ROUTEC FOLDER   compiles them, too; needs no GPU
    python3 prompts.py FOLDER               prompts in the host's memory, embeddings on the GPU

Products are of whole numbers, whose sums are exact in any order.
"""

import os
import random
import subprocess
import sys

COLUMNS = "axis request { prompt: text, language: text = \"en\", worth: f32, embedding: f32[hidden] }"
SPECS = {
    # Scans of the prompt decide who may be chosen, and what a product says.
    "router": COLUMNS + """
axis hidden = 64
pool models { attr price: f32, vendor: text
  large { price: 3, vendor: "a" }  small { price: 2, vendor: "b" }  tiny { price: 1, vendor: "c" } }
signal code = regex(prompt, r"def \\w+")
signal urgent = keywords(prompt, patterns: ["now", "urgent"], mode: count)
signal length = chars(prompt)
router pick(request) -> models {
  param w: f32[hidden, models] from "w"
  let s = embedding @ w
  let t = (if language == "de" then s * 2 else s) + (if code then 1 else 0) - models.price * length / worth
  choose 2 where urgent == 0 or price >= 2 by t weight softmax(t over models)
}
""",
    # Features of the prompt go through a product themselves; what is compared is in one operation with what it decides.
    "features": COLUMNS + """
axis hidden = 64, gram = 128, topic = 16
signal grams: f32[gram] = ngrams(prompt, n: 3, dim: 128, unit: bytes, hash: fnv1a, weighting: count)
route topics(request) {
  param v: f32[gram, topic] from "v"
  param u: f32[hidden, topic] from "u"
  let s = grams @ v + embedding @ u
  return if language == "de" then s else s - worth
}
""",
}
PARAMS = {"w": (64, 3), "v": (128, 16), "u": (64, 16)}


def make(folder, routec=None):
    os.makedirs(folder, exist_ok=True)
    for name, text in SPECS.items():
        path = os.path.join(folder, name + ".route")
        with open(path, "w") as file:
            file.write(text)
        if routec:
            subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", path, "-o", os.path.join(folder, name + ".so")],
                           check=True)


def check(folder):
    import torch
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from device import route, same_bits

    torch.zeros(1, device="cuda")  # makes torch's context the thread's
    words = ["def", "f", "now", "urgent", "please", "für", "\U0001f600", "x" * 100, ""]
    failures = 0
    for name in SPECS:
        g = torch.Generator().manual_seed(7)
        tensors = {f"{entry}.{p}": torch.randint(-4, 5, PARAMS[p], generator=g).float()
                   for entry, p in (("pick", "w"), ("topics", "v"), ("topics", "u")) if f"param {p}:" in SPECS[name]}
        library = route.load(os.path.join(folder, name + ".so"), tensors=tensors, cuda=True)
        entry = getattr(library, library.entries[0])
        bad = []
        for count in (0, 1, 3, 33, 257):
            for seed in range(4):
                draw = random.Random(1000 * count + seed)
                text = {"prompt": [" ".join(draw.choices(words, k=draw.randrange(20))) for _ in range(count)],
                        "language": [draw.choice(["de", "en", ""]) for _ in range(count)]}
                if seed == 3:
                    del text["language"]  # its default is made up in the host's memory
                numbers = {"worth": torch.tensor([draw.choice([1.0, 2.0, 4.0]) for _ in range(count)]),
                           "embedding": torch.randint(-8, 9, (count, 64), generator=g).float()}
                host = entry(**text, **numbers)
                device = entry(**text, **{key: value.cuda() for key, value in numbers.items()})
                torch.cuda.synchronize()
                if not all(value.is_cuda for value in device.values()):
                    bad.append(f"T={count}: results are not on the GPU")
                bad += [f"T={count} {key}" for key in host if not same_bits(host[key], device[key])]
        # Calls one behind the other on one stream: the host's memory is free again when a call returns.
        text = {"prompt": ["def f now"] * 257, "language": ["de"] * 257}
        numbers = {"worth": torch.ones(257), "embedding": torch.ones(257, 64)}
        expected = entry(**text, **numbers)
        lent = {key: value.cuda() for key, value in numbers.items()}
        for results in [entry(**text, **lent) for _ in range(50)]:
            bad += [f"repeated {key}" for key in expected if not same_bits(expected[key], results[key])]
        print(f"{'FAIL' if bad else 'ok  '} {name:12s} {' | '.join(bad[:4])}", flush=True)
        failures += bool(bad)
    # Last: torch may be of no use behind a capture that fails.
    refused = "it is accepted"
    try:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            entry(**text, **lent)
    except route.RouteError as error:
        refused = str(error)
    failures += "cannot be captured" not in refused
    print(f"{'ok  ' if 'cannot be captured' in refused else 'FAIL'} capture: {refused}", flush=True)
    return failures


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "make":
        make(sys.argv[3], sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "specs":
        make(sys.argv[2])
    elif len(sys.argv) == 2:
        sys.exit(1 if check(sys.argv[1]) else 0)
    else:
        sys.exit(__doc__)
