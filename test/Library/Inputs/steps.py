"""Prints random steps for events.py: usage: steps.py SEED keyed|sets|become|unknown|elements

The events are those of keyed-state.test's users.route, sets.test's seen.route and element-writes.test's count.route, the two between
them those of become.route and maybe.route; few different keys, so that they meet, leave and come back. Texts are of the lengths at which a digest's blocks end.
"""
import json
import random
import sys

random.seed(int(sys.argv[1]))
KIND = sys.argv[2]
USERS = ["", "a", "bb", "c" * 64, "d" * 65, "e" * 200, "\u00e9"]


def columns(called):
    """The columns of one item; those of a call that reads fewer may be more."""
    if KIND == "keyed":
        return {"user": random.choice(USERS), "weight": random.choice([0, 1])}
    if KIND == "sets":
        return {"prefix": random.randrange(6), **({"other": 0} if called else {})}
    if KIND == "become":
        members = [[random.randrange(6) for _ in range(random.randrange(5))] for _ in range(2)]
        return {"prefix": random.randrange(6), "given": members[0], "other": random.choice([None, 0, 1, 2]),
                **({"wanted": members[1]} if called else {})}
    if KIND == "unknown":
        return {"user": random.choice(USERS + [None]), "id": random.choice([None, 0, 1]), "weight": random.choice([0, 1])}
    return {"account": random.randrange(-1, 6), "slot": random.randrange(4), "odd": random.random() < 0.5}


def event():
    name = random.choice(["on.dispatch", "on.failure"])
    items = [columns(False) for _ in range(random.randrange(1, 4))]
    record = {"m": random.choice("ab"), "request": random.randrange(len(items))}
    if name == "on.failure":
        record["code"] = random.choice([300, 408, 500])
    for column in items[0]:
        if KIND == "become" and name == "on.dispatch" and column != "prefix":
            continue
        if name == "on.dispatch" or column in ("user", "prefix", "account", "given", "other", "id"):
            record[column] = [item[column] for item in items]
    return [name, record]


for _ in range(12):
    print(json.dumps({"call": [columns(True) for _ in range(7)], "emit": [event() for _ in range(8)]}))
