#!/usr/bin/env bash
# Installs what a Debian 12 machine lacks to build Routec. Safe to repeat; does
# nothing, quickly, when everything is there. With --cuda it also sees to ptxas,
# NVIDIA's assembler: that of an installed toolkit, else that of NVIDIA's wheels,
# in .venv-cuda. Without one libraries carry PTX, which the driver compiles.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1:-}" = --cuda ]; then
  toolkit=$(command -v "${CUDA_HOME:-/usr/local/cuda}/bin/ptxas" ptxas | head -1 || true)
  if [ -n "$toolkit" ] || [ -x "$root/.venv-cuda/bin/ptxas" ]; then
    echo "ptxas: ${toolkit:-$root/.venv-cuda/bin/ptxas}"
  elif python3 -m venv "$root/.venv-cuda" &&
      "$root/.venv-cuda/bin/pip" install -q --no-deps 'nvidia-cuda-nvcc==13.0.*' &&
      found=$(find "$root/.venv-cuda/lib" -name ptxas | head -1) && [ -n "$found" ]; then
    ln -sf "$found" "$root/.venv-cuda/bin/ptxas"
    echo "ptxas: $root/.venv-cuda/bin/ptxas"
  else
    echo "no ptxas: libraries will carry PTX only"
  fi
fi
packages=(cmake ninja-build ccache clang-22 lld-22 clang-format-22
  llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools libclang-rt-22-dev
  antlr4 libantlr4-runtime-dev libicu-dev libxxhash-dev libre2-dev rapidjson-dev libdlpack-dev)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing: ${missing[*]}"
sudo=$([ "$(id -u)" -eq 0 ] || echo sudo)
$sudo apt-get -qq update
DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
