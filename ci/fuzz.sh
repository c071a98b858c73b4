#!/usr/bin/env bash
# fuzz.sh [SECONDS] - a short run of every fuzz target (20 seconds each by default). FUZZ_CACHE: where cargo-fuzz is
# installed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${FUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zonekit-fuzz}
[[ -x $CACHE/bin/cargo-fuzz ]] || cargo install --quiet --locked --root "$CACHE" cargo-fuzz

# The sanitizer's flags are unstable: this lets the one stable toolchain of the machine take them.
export RUSTC_BOOTSTRAP=1 PATH=$CACHE/bin:$PATH
cd fuzz
targets=$(cargo fuzz list)
for target in $targets; do
  cargo fuzz run --sanitizer none "$target" -- "-max_total_time=${1:-20}" -max_len=65536 -timeout=5 -verbosity=0
done
echo "fuzz: $(wc -w <<<"$targets") passed, 0 failed"
