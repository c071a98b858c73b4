#!/usr/bin/env bash
# real-zfs.sh [TEST...] - the tests that mean something on a real ZFS, in one boot of a machine with OpenZFS
# (ci/zfs-vm.sh): the simulated zfs against the real one, libzfs against the zfs program, and the end-to-end tests with
# the real zfs and zpool in place of the simulated ones.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ci/zfs-vm.sh build
cargo build --quiet --workspace --bins
LIST=target/real-zfs.tests
cargo test --quiet --no-run --message-format=json -p libzfs-sys -p e2e 2>/dev/null |
  sed -n 's/.*"target":{[^}]*"kind":\["test"\].*"executable":"\([^"]*\)".*/\1/p' >"$LIST"
[[ -s $LIST ]]

ZFS_VM_TIMEOUT=${ZFS_VM_TIMEOUT:-1500} ci/zfs-vm.sh run bash ci/real-zfs/inside.sh "$@"
