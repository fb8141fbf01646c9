#!/usr/bin/env bash
# Checks and measures code for GPUs. Made where the project is built, run where a GPU and torch are, here or elsewhere:
#   utils/gpu.sh make FOLDER [fuzz]  compiles what is run there; FOLDER then has all of it, this script too; with fuzz
#                                    the fuzzer alone
#   FOLDER/gpu.sh check              routers, prompts, state and copies bit for bit, layers, torch tensors, the sanitizer where it is
#   FOLDER/gpu.sh measure [PEERS]    layers, routers and whole models beside other implementations, gates in all
#                                    precisions, passes; some ten minutes
#   FOLDER/gpu.sh fuzz [SECONDS [SEED]]  random specs, compiled and run there on all processors, each kind on some;
#                                    needs ptxas, a C library to link with, and no torch
set -euo pipefail
usage() { sed -n '2,/^set/s/^# //p' "$0"; exit 2; }
[ $# -ge 1 ] || usage

# The fuzzer with what it runs, reads and loads, but for the C library.
make_fuzz() {
  local to=$folder/fuzz
  mkdir -p "$to/bin" "$to/lib" "$to/share/routec"
  cp -L "$build"/bin/route-{fuzz,ptx} "$to/bin"
  cp -L "$(command -v ld.lld-22 || command -v ld.lld)" "$to/bin/ld.lld"
  ldd "$to"/bin/route-* | awk '$2 == "=>" && $1 !~ /^lib(c|m|dl|rt|pthread)\.so/ {print $3}' | sort -u |
    xargs cp -L -t "$to/lib"
  cp -r "$root/stdlib" "$to/share/routec"
  cp "$0" "$folder"
}

make_folder() {
  local each
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
  cp -L "$build/lib/libroute_rt.so" "$folder"
  make_fuzz
}

# One fuzzer a processor, a kind each, with seeds far apart; what they found, then their counts together.
fuzz() {
  local seconds=${1:-180} seed=${2:-$(date +%s)} kinds=(token layer cores policy nested) jobs=() logs i n
  n=$(nproc)
  logs=$(mktemp -d)
  export LD_LIBRARY_PATH=$here/fuzz/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} PATH=$here/fuzz/bin:$PATH
  for ((i = 0; i < (n > 5 ? n : 5); i++)); do
    route-fuzz --cuda --keep-going --kind "${kinds[i % 5]}" --seconds "$seconds" --seed $((seed + i * 1000000)) \
      > "$logs/${kinds[i % 5]}.$i" 2>&1 & jobs+=($!)
  done
  local code=0
  for i in "${jobs[@]}"; do wait "$i" || code=1; done
  # Counts begin a line; what was found does not, but for texts of specs.
  for i in "$logs"/*; do
    sed -n '/^\*\*\* /,$p' "$i" | sed '/^[0-9]* calls on the GPU$/,$d' | sed "s/^\*\*\*/& --kind $(basename "${i%.*}"),/"
    grep -q 'calls on the GPU$' "$i" || { echo "${i##*/}: ended early"; tail -3 "$i"; code=1; }
  done
  cat "$logs"/* | awk '/^ *[0-9]+ (calls on the GPU|agrees|refused|ill-typed|differs|bad message|crashes|hangs)/ {
      count = $1; sub(/^ *[0-9]+ /, ""); sum[$0] += count }
    END { for (what in sum) print sum[what], what }' | sort -k2
  rm -r "$logs"
  return $code
}

if [ "$1" = make ]; then
  [ $# = 2 ] || { [ $# = 3 ] && [ "$3" = fuzz ]; } || usage
  root=$(cd "$(dirname "$0")/.." && pwd) build=${BUILD:-}
  build=${build:-$root/build}
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
  "make_${3:-folder}"
  exit
fi
here=$(cd "$(dirname "$0")" && pwd)
export ROUTE_RUNTIME=$here/libroute_rt.so ROUTE_PYTHON=$here/example PYTHONPATH=$here/example:$here/scripts:$here/measure PYTHONUNBUFFERED=1
case $1 in
fuzz)
  fuzz "${@:2}" ;;
check)
  python3 "$here/scripts/routers.py" "$here/routers"
  python3 "$here/scripts/state.py" "$here/state.so"
  python3 "$here/scripts/prompts.py" "$here/prompts"
  python3 "$here/scripts/copies.py" "$here/copies.so"
  python3 "$here/scripts/layers.py" "$here/small"
  python3 "$here/scripts/torch_layers.py" "$here/example" "$here/models/tiny.so" "$ROUTE_RUNTIME"
  if command -v compute-sanitizer > /dev/null; then
    sanitize() { compute-sanitizer --tool "$1" --error-exitcode 1 python3 "$here/scripts/$2" "$here/$3" "${@:4}"; }
    for tool in memcheck racecheck initcheck; do
      sanitize $tool layers.py small
    done
    sanitize memcheck routers.py routers
    sanitize memcheck state.py state.so
    sanitize memcheck prompts.py prompts
    # Of each kind of kernel one: warps, values of rows in shared memory, reductions and loops, choices of a block.
    sanitize racecheck routers.py routers --only grouped-256-8,stages-4096-4,sinkhorn-100-4,capacity-16-300 --tokens 3,257
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
