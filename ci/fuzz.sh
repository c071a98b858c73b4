#!/usr/bin/env bash
# fuzz.sh [RUNS [SEED]] - a short run of every fuzz target: 300,000 inputs from the seed 1 by default, so that a source
# always gets the same verdict. FUZZ_CACHE: where cargo-fuzz is installed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${FUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zonekit-fuzz}
# The fuzzer itself is C++.
command -v c++ >/dev/null || ci/apt-install.sh g++
[[ -x $CACHE/bin/cargo-fuzz ]] || cargo install --quiet --locked --root "$CACHE" cargo-fuzz

# The sanitizer's flags are unstable: this lets the one stable toolchain of the machine take them.
export RUSTC_BOOTSTRAP=1 PATH=$CACHE/bin:$PATH
cd fuzz
targets=$(cargo fuzz list)
for target in $targets; do
  cargo fuzz run --sanitizer none "$target" -- "-runs=${1:-300000}" "-seed=${2:-1}" -max_total_time=120 \
    -max_len=65536 -timeout=20 -verbosity=0
done
echo "fuzz: $(wc -w <<<"$targets") passed, 0 failed"
