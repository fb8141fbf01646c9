#!/usr/bin/env bash
# Writes docs/diagnostics.md from the table of codes. Run after adding a code.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/utils/build.sh" route-diagnostics-doc
"${BUILD:-$root/build}/bin/route-diagnostics-doc" >"$root/docs/diagnostics.md"
