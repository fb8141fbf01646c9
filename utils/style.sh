#!/usr/bin/env bash
# Checks what the style asks of every file: clang-format, a first line that says in one sentence what the file is, at most
# 1,200 lines.
# Prints what to mend and fails. `utils/style.sh --fix` formats the C and C++ files first.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t code < <(git ls-files '*.cpp' '*.h' '*.c')
[ "${1:-}" = --fix ] && clang-format-22 -i "${code[@]}"
failed=0
# A file a process: two at a time, as many as the smallest machine has cores.
printf '%s\n' "${code[@]}" | xargs -P2 -n 64 clang-format-22 --dry-run --Werror || failed=1
while read -r lines file; do
  [ "$lines" -le 1200 ] || { echo "$file has $lines lines, at most 1,200 are allowed"; failed=1; }
done < <(git ls-files '*.cpp' '*.h' '*.c' '*.td' '*.py' '*.def' '*.g4' '*.md' '*.route' | xargs wc -l | grep -v ' total$')
for file in "${code[@]}" $(git ls-files '*.td' '*.py'); do
  case $(head -n 1 "$file") in
  '// '*. | '/* '*. | '/* '*'. */' | '"""'* | '#'*) ;;
  *) echo "$file does not open with a sentence, on one line, that says what it is"; failed=1 ;;
  esac
done
exit $failed
