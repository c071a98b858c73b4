#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]] - run the fuzz targets, each for that long (default 30 s); a finding fails.
#
# Works on the stable toolchain: coverage comes from compiler flags, not from cargo-fuzz. For long runs with
# a corpus and sanitizers use `cargo +nightly fuzz run TARGET`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"
seconds=${1:-30}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        name=${file##*/}
        targets+=("${name%.rs}")
    done
fi

export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions=on \
 -Cllvm-args=-sanitizer-coverage-level=4 \
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
 -Cllvm-args=-sanitizer-coverage-pc-table \
 -Ccodegen-units=1"
# With a target named, the flags do not reach build scripts, which have no fuzzer to link against.
host=$(rustc -vV | sed -n 's/^host: //p')

for target in "${targets[@]}"; do
    cargo build --release --target "$host" --bin "$target"
    mkdir -p "corpus/$target"
    echo "fuzz: $target for ${seconds}s"
    "target/$host/release/$target" "corpus/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -print_final_stats=1 -verbosity=0
done
