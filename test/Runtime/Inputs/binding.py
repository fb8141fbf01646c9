"""The Python binding on the hand-written modules: binding.py LIBRARIES PARAMS NORMS."""

import array
import sys

import route

libraries, params, norms = sys.argv[1:]
runtime = f"{libraries}/libroute_rt.so"


def fails(expected, call):
    try:
        call()
    except Exception as problem:  # noqa: the kind and the words are what is checked
        status = getattr(problem, "status", type(problem).__name__)
        print(f"{status}: {problem}")
        return
    raise AssertionError(f"no {expected}")


def plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


policy = route.load(f"{libraries}/libroute-test-policy.so", runtime=runtime)
print(policy.entries, policy.members("models"), policy.members("tier"))
out = policy.pick(prompt=["def f(): pass", b"hello th\xffere"], tier=["free", 1], jail=[False, None],
                  embed=[[1, 2, 3], None], now=1000)
print({key: plain(value) for key, value in out.items()})
policy.emit("failure", model=2, now=5000)
print(policy.epoch, plain(policy.state("models.cool")))
print(plain(policy.pick(prompt=["x"], tier=["pro"], now=6000)["pick.status"]))
policy.set_state("models.cool", [0, 0, 0])
print(plain(policy.pick(prompt=["x"], tier=["pro"], now=6000)["pick.status"]))

gate = route.load(f"{libraries}/libroute-test-top2.so", params=[params, ("norms.safetensors", norms)], threads=2,
                  runtime=runtime)
out = gate.gate(x=[[1, 0, 0, 0], [0, 0, 0, 1]])
print(plain(out["p"]), plain(out["p.weight"]))
flat = memoryview(array.array("f", [1, 0, 0, 0, 0, 0, 0, 1])).cast("B").cast("f", (2, 4))
print(plain(gate.gate(x=flat)["p"]))
print(plain(gate.gate(x=flat.toreadonly())["p"]))
gate.emit("gate.commit", p=[["ada", "bob"]], **{"p.count": [2]})
print(plain(gate.state("bias")))

fails("TypeError", lambda: policy.pick(prompts=["x"]))
fails("ValueError", lambda: policy.pick(prompt=["x"], tier=["gold"]))
fails("TypeError", lambda: policy.pick(prompt=["x"], tier=[None]))
fails("RouteError", lambda: policy.pick(prompt=["x"]))
fails("RouteError", lambda: policy.pick(prompt=["x"], tier=[7]))
fails("RouteError", lambda: gate.gate(x=[[1, 2, 3]]))
fails("TypeError", lambda: gate.gate(x=array.array("d", [1])))
fails("AttributeError", lambda: gate.nothing())
fails("RouteError", lambda: gate.emit("gate", x=[[1, 2, 3, 4]]))
fails("RouteError", lambda: route.load(f"{libraries}/libroute-test-top2.so", runtime=runtime))
fails("KeyError", lambda: policy.set_state("models.coool", [0, 0, 0]))
print(route.dollars([0.01, "0.15", None]))

# What a router gave goes to its event whole; what the event does not take of anything else is an error.
gate.set_state("bias", [0.0] * 8)
plan = gate.gate(x=[[1, 0, 0, 0]])
gate.emit("gate.commit", plan)
print(sorted(plan), plain(gate.state("bias")))
fails("TypeError", lambda: gate.emit("gate.commit", {**plan, "weights": 1}))
fails("TypeError", lambda: gate.gate([[1, 0, 0, 0]]))
# Outputs go where the caller says.
rows = memoryview(array.array("i", [7] * 2)).cast("B").cast("i", (1, 2))
gate.gate(x=[[1, 0, 0, 0]], out={"p": rows})
print(rows.tolist())
fails("TypeError", lambda: gate.gate(x=[[1, 0, 0, 0]], out={"p": rows.toreadonly()}))
fails("TypeError", lambda: gate.gate(x=[[1, 0, 0, 0]], out={"q": rows}))
fails("RouteError", lambda: gate.gate(x=[[1, 0, 0, 0]] * 2, out={"p": rows}))
