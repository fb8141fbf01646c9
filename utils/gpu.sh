#!/usr/bin/env bash
# Checks and measures code for GPUs. Made where the project is built, run where a GPU and torch are, here or elsewhere:
#   utils/gpu.sh make FOLDER         compiles what is run there; FOLDER then has all of it, this script too
#   FOLDER/gpu.sh check              routers, prompts, state and copies bit for bit, layers, torch tensors, the sanitizer where it is
#   FOLDER/gpu.sh measure [PEERS]    layers, routers and whole models beside other implementations, gates in all
#                                    precisions, passes; some ten minutes
set -euo pipefail
usage() { sed -n '2,6s/^# //p' "$0"; exit 2; }
[ $# -ge 1 ] || usage

make_folder() {
  local root folder each build=${BUILD:-}
  root=$(cd "$(dirname "$0")/.." && pwd)
  build=${build:-$root/build}
  mkdir -p "$1"
  folder=$(cd "$1" && pwd)
  local device=$root/test/Target/CUDA/Device example=$root/examples/03-torch-layers
  # At the same time, as far as there are processors.
  local jobs=() job
  python3 "$device/make_layers.py" "$build/bin/routec" "$root/stdlib" "$folder/small" & jobs+=($!)
  python3 "$device/make_routers.py" "$build/bin/routec" "$folder/routers" & jobs+=($!)
  python3 "$device/prompts.py" make "$build/bin/routec" "$folder/prompts" & jobs+=($!)
  for each in layers gates passes; do
    python3 "$root/test/Perf/CUDA/$each.py" make "$build/bin/routec" "$folder/$each" & jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  mkdir -p "$folder/models" "$folder/scripts" "$folder/example"
  for model in qwen3 mixtral; do
    "$build/bin/routec" --target=cpu,cuda --cpu=v3 "$example/$model.route" -o "$folder/models/$model.so"
  done
  "$build/bin/routec" --target=cpu,cuda --cpu=v3 -Dexperts=16 -Dhidden=256 -Dinner=128 "$example/qwen3.route" \
    -o "$folder/models/tiny.so"
  for each in copies state; do
    "$build/bin/routec" --target=cpu,cuda --cpu=v3 "$device/Inputs/$each.route" -o "$folder/$each.so"
  done
  cp "$device"/{copies,device,layers,prompts,routers,state}.py "$root/test/Examples/torch_layers.py" "$folder/scripts"
  mkdir -p "$folder/measure"
  cp "$root"/test/Perf/CUDA/*.py "$folder/measure"
  cp "$example"/{layers,compare}.py "$folder/example"
  cp -r "$root/runtime/bindings/python/route" "$folder/example"
  cp -L "$build/lib/libroute_rt.so" "$0" "$folder"
}

[ "$1" != make ] || { [ $# = 2 ] || usage; make_folder "$2"; exit; }
here=$(cd "$(dirname "$0")" && pwd)
export ROUTE_RUNTIME=$here/libroute_rt.so ROUTE_PYTHON=$here/example PYTHONPATH=$here/example:$here/scripts PYTHONUNBUFFERED=1
case $1 in
check)
  python3 "$here/scripts/routers.py" "$here/routers"
  python3 "$here/scripts/state.py" "$here/state.so"
  python3 "$here/scripts/prompts.py" "$here/prompts"
  python3 "$here/scripts/copies.py" "$here/copies.so"
  python3 "$here/scripts/layers.py" "$here/small"
  python3 "$here/scripts/torch_layers.py" "$here/example" "$here/models/tiny.so" "$ROUTE_RUNTIME"
  if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck initcheck; do
      compute-sanitizer --tool $tool --error-exitcode 1 python3 "$here/scripts/layers.py" "$here/small"
    done
  else
    echo "no compute-sanitizer here"
  fi ;;
measure)
  peers=${2:+--peers $2}
  for shape in qwen3 mixtral deepseek_v3; do
    python3 "$here/measure/layers.py" run "$here/layers" --shapes $shape $peers
  done
  python3 "$here/measure/layers.py" run "$here/layers" --shapes qwen3 --skew 1 $peers
  python3 "$here/measure/layers.py" run "$here/layers" --shapes qwen3 --tokens 1,4,32,512 --cool $peers
  python3 "$here/scripts/routers.py" "$here/routers" --bench $peers
  for each in gates passes; do
    python3 "$here/measure/$each.py" run "$here/$each"
  done
  # A process each: what fails while a graph is captured leaves torch unusable.
  for model in qwen3 mixtral; do
    (cd "$here/example" && python3 compare.py "$model=$here/models/$model.so")
  done ;;
*) usage ;;
esac
