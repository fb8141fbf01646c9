#!/usr/bin/env bash
# Installs what a Debian 12 machine lacks to build Routec. Safe to repeat; does
# nothing, quickly, when everything is there.
set -euo pipefail
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
