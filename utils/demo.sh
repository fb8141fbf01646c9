#!/usr/bin/env bash
# Sets up, builds, and runs the main job on real input: 500 requests over nine models, then two mixture-of-experts
# layers checked against the transformers library and timed. Safe to repeat.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}
say() { printf '\n== %s\n' "$*"; }

say "set-up and build"
"$root/utils/setup.sh"
"$root/utils/build.sh" tools
export PATH="$build/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say "requests: compile the policy, decide 500 real queries, score them"
example=$root/examples/01-model-router
routec "$example/router.route" -o "$work/router.so" --header "$work/router.h"
route-run "$work/router.so" pick --inputs "$example/data/requests.jsonl" \
  --params "$example/weights.safetensors" --outputs "$work/decisions.jsonl"
python3 "$example/score.py" --expect "$example/expected.jsonl" "policy=$work/decisions.jsonl"
route-run "$work/router.so" pick --inputs "$example/data/requests.jsonl" \
  --params "$example/weights.safetensors" --bench
route-run "$example/router.route" pick --interpret --inputs "$example/data/requests.jsonl" \
  --params "$example/weights.safetensors" --outputs "$work/interpreted.jsonl"
cmp "$work/decisions.jsonl" "$work/interpreted.jsonl"
echo "the interpreter, which is what the policy means, gives the same 500 lines"

for model in mixtral deepseek_v3; do
  say "tokens: the $model layer against the transformers library's own module"
  for case in f32 bf16 edges; do
    echo "$case"
    python3 "$root/test/Examples/check_moe.py" "$model" "$case"
  done
done
say "tokens: time on random weights (sizes cut so that the weights take under a gigabyte)"
python3 "$root/examples/02-moe-layers/time_layer.py" mixtral -D inner=3584 --tokens 1,4,64
python3 "$root/examples/02-moe-layers/time_layer.py" deepseek_v3 -D experts=2 -D hidden=3584 --tokens 1,4,64
