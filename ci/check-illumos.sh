#!/usr/bin/env bash
# check-illumos.sh - compile, lint and link the workspace for x86_64-unknown-illumos on a Debian machine.
#
#   check-illumos.sh [all]          set up what is missing, then clippy, build and report
#   check-illumos.sh setup          install the Debian packages (root)
#   check-illumos.sh prepare        build std, stub libraries and wrappers, once
#   check-illumos.sh check|clippy|build|test [ARGS]   cargo with the target; test only links
#   check-illumos.sh report FILE... what linked files import
#   check-illumos.sh link CMD...    run CMD with the environment of the target
#
# Environment: ILLUMOS_CACHE (std, stubs and wrappers), ILLUMOS_TARGET_DIR (cargo's target directory).
# What is where: ci/illumos/README.md.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HERE/.."
TARGET=x86_64-unknown-illumos
LLVM=22
CACHE=${ILLUMOS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/illumos-cross}
# shellcheck disable=SC2034 # read by stubs.sh and report.sh
EXPORTS=$HERE/illumos/exports.txt
# rustup's toolchain stays as it is: Debian's compiler, by full path, has the library sources that std is built from.
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO=/usr/bin/cargo
unset RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS RUSTC_WRAPPER
export CARGO_TARGET_DIR=${ILLUMOS_TARGET_DIR:-$PWD/target/illumos}

say() { printf 'check-illumos: %s\n' "$*" >&2; }

# shellcheck source=ci/illumos/std.sh
. "$HERE/illumos/std.sh"
# shellcheck source=ci/illumos/stubs.sh
. "$HERE/illumos/stubs.sh"
# shellcheck source=ci/illumos/report.sh
. "$HERE/illumos/report.sh"

setup() {
  local packages=(rustc-web cargo-web rust-web-src rust-web-clippy "clang-$LLVM" "lld-$LLVM" binutils gcc libc6-dev)
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "${packages[@]}" 2>/dev/null | grep -c '^ii') || true
  ((installed < ${#packages[@]})) || return 0
  ci/apt-install.sh "${packages[@]}"
}

write_wrappers() {
  mkdir -p "$CACHE/bin"
  printf '#!/bin/sh\nexec clang-%s --target=x86_64-pc-solaris2.11 --sysroot=%s "$@"\n' "$LLVM" "$CACHE/csysroot" \
    >"$CACHE/bin/illumos-cc"
  # rustc strips Solaris-like targets with this; Debian has it under another name.
  printf '#!/bin/sh\nexec objcopy "$@"\n' >"$CACHE/bin/rust-objcopy"
  chmod +x "$CACHE/bin/"*
}

prepare() {
  setup
  mkdir -p "$CACHE"
  build_std
  local want
  want=$(find "$HERE/illumos" "$HERE/check-illumos.sh" -type f -exec sha256sum {} + | sort | sha256sum)
  if [[ ! -f $CACHE/tools.stamp || $(<"$CACHE/tools.stamp") != "$want" ]]; then
    write_stubs
    write_wrappers
    printf '%s' "$want" >"$CACHE/tools.stamp"
  fi
  export PATH=$CACHE/bin:$PATH ILLUMOS_LIB=$CACHE/csysroot/usr/lib/amd64 ILLUMOS_LLD=ld.lld-$LLVM
  export CARGO_TARGET_X86_64_UNKNOWN_ILLUMOS_LINKER=$HERE/illumos/illumos-ld
  export CARGO_TARGET_X86_64_UNKNOWN_ILLUMOS_RUSTFLAGS=--sysroot=$CACHE/sysroot
  export CC_x86_64_unknown_illumos=$CACHE/bin/illumos-cc AR_x86_64_unknown_illumos=ar
  export RANLIB_x86_64_unknown_illumos=ranlib PKG_CONFIG_ALLOW_CROSS=0
}

programs() { # PROFILE: the linked programs
  find "$CARGO_TARGET_DIR/$TARGET/$1" -maxdepth 1 -type f -perm -u+x | sort
}

all() {
  prepare
  # Warnings are the business of the ordinary lint run; Debian's newer clippy knows lints that it does not.
  /usr/bin/cargo-clippy clippy --target "$TARGET" --workspace --all-targets
  "$CARGO" build --target "$TARGET" --workspace
  mapfile -t linked < <(programs debug)
  report "${linked[@]}"
}

command=${1:-all}
shift || true
case $command in
  setup) setup ;;
  prepare) prepare ;;
  check | build) prepare; "$CARGO" "$command" --target "$TARGET" "$@" ;;
  clippy) prepare; /usr/bin/cargo-clippy clippy --target "$TARGET" "$@" ;;
  test) prepare; "$CARGO" test --no-run --target "$TARGET" "$@" ;;
  link) prepare; "$@" ;;
  report) setup; report "$@" ;;
  all) all ;;
  *) sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//p}' "$HERE/check-illumos.sh"; exit 2 ;;
esac
