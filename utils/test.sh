#!/usr/bin/env bash
# Sets up, builds and runs every test. Safe to repeat.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '\n== %s\n' "$*"; }

say "set-up: packages"
"$root/utils/setup.sh"
say "build"
"$root/utils/build.sh"
say "tests"
"$root/utils/build.sh" check
