#!/usr/bin/env bash
# exits.sh CODE COMMAND...: succeeds if COMMAND exits with CODE, output untouched.
expected=$1
shift
"$@"
found=$?
[ "$found" = "$expected" ] && exit 0
echo "exit code $found, expected $expected" >&2
exit 1
