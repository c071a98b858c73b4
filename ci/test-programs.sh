#!/usr/bin/env bash
# test-programs.sh DIR COMMAND... - puts the tests for real systems (tests/, libzfs-sys) that COMMAND, a
# `cargo test --no-run`, builds into DIR, named NN-TEST in the order in which they are to run.
set -euo pipefail

out=$1
shift
rm -rf "$out"
mkdir -p "$out"
"$@" --message-format=json |
  sed -n 's#.*"kind":\["test"\].*"src_path":"[^"]*/\(tests\|libzfs-sys\)/tests/.*"executable":"\([^"]*\)".*#\2#p' \
    >"$out/built"
number=10
# By name: cargo's own order is not the same on every machine.
while read -r program; do
  name=$(basename "$program" | sed 's/-[0-9a-f]*$//')
  cp "$program" "$out/$((number++))-$name"
done < <(LC_ALL=C sort "$out/built")
rm "$out/built"
((number > 10)) || { echo "test-programs.sh: no tests were built" >&2; exit 1; }
