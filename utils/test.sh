#!/usr/bin/env bash
# Sets up, builds and runs every test. Safe to repeat.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/utils/setup.sh"
"$root/utils/build.sh"
"$root/utils/build.sh" check
