"""Routers with their matrix product on a GPU, beside torch: gates.py make ROUTEC FOLDER, then gates.py run FOLDER.

bf16 rows and weights, softmax, the best 8; microseconds a call, medians of graphs that go over several inputs. torch is
its product, softmax and topk. The floor is the bytes of weights and rows at 3 TB/s. `run` needs torch, safetensors, and
libroute_rt.so named by $ROUTE_RUNTIME.
"""

import os
import statistics
import subprocess
import sys

SHAPES = {"qwen3": (128, 2048), "deepseek": (256, 7168), "gptoss": (32, 2880)}  # experts, hidden
SOURCE = """axis token, hidden = {H}
signal x: bf16[token, hidden]
pool experts[{E}] {{}}
router gate(x) {{
  param w: bf16[experts, hidden] from "w"
  let s = softmax(x @ w over experts)
  return choose 8 of experts per token by s weight s / sum(s over chosen)
}}
"""


def make(routec, folder):
    os.makedirs(folder, exist_ok=True)
    for name, (E, H) in SHAPES.items():
        stem = os.path.join(folder, name)
        with open(stem + ".route", "w") as file:
            file.write(SOURCE.format(E=E, H=H))
        subprocess.run([routec, "--target=cpu,cuda", "--cpu=v3", stem + ".route", "-o", stem + ".so"], check=True)


def run(folder):
    import torch
    from safetensors.torch import save_file
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [here, os.path.join(here, "../../Target/CUDA/Device")]
    from device import Library
    from layers import capture
    wrong = 0
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    for name, (E, H) in SHAPES.items():
        g = torch.Generator("cuda").manual_seed(2)
        w = torch.empty(E, H, dtype=torch.bfloat16, device="cuda").normal_(0, H ** -0.5, generator=g)
        save_file({"w": w.cpu()}, "/tmp/gate.safetensors")
        library = Library(os.path.join(folder, name + ".so"), ["/tmp/gate.safetensors"])
        for T in (1, 8, 32, 33, 256, 2048, 8192):
            sets = [(torch.empty(T, H, dtype=torch.bfloat16, device="cuda").normal_(generator=g),) for _ in range(16)]
            calls = {}

            def ours(x):
                call = calls.get(id(x))
                if call is None:
                    call = calls[id(x)] = library.call("gate", {"x": x}, "cuda")
                    call.poison()
                return call()

            def torchs(x):
                s, i = torch.softmax((x @ w.T).float(), -1).topk(8, -1)
                return i, s / s.sum(-1, keepdim=True)

            times, results = {}, {}
            for who, function in (("routec", ours), ("torch", torchs)):
                graph, results[who] = capture(function, sets)
                torch.cuda.synchronize()
                samples = []
                for _ in range(30):
                    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                    begin.record()
                    graph.replay()
                    end.record()
                    end.synchronize()
                    samples.append(begin.elapsed_time(end) * 1e3 / len(sets))
                times[who] = statistics.median(samples)
            # Against f32 sums of the same numbers.
            exact = (sets[0][0].float() @ w.float().T).topk(8, -1).indices
            chosen = results["routec"][0]["gate"].long()
            same = float((chosen == exact).all(-1).float().mean())
            wrong += same < 0.98
            floor = (T + E) * H * 2 / 3e12 * 1e6
            print(f"{name:9s} T={T:<5d} routec {times['routec']:7.2f} torch {times['torch']:7.2f} floor {floor:6.2f} "
                  f"choices as of f32: {same:.4f}{'' if same >= 0.98 else '   WRONG'}", flush=True)
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 4:
        make(*sys.argv[2:])
    elif sys.argv[1:2] == ["run"] and len(sys.argv) == 3:
        sys.exit(1 if run(sys.argv[2]) else 0)
    else:
        sys.exit(__doc__)
