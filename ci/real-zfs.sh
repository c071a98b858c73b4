#!/usr/bin/env bash
# real-zfs.sh [--all] [TEST...] - the tests that mean something on a real ZFS, in one boot of a machine with OpenZFS
# (ci/zfs-vm.sh): libzfs against the zfs program, the simulated zfs against the real one, and the end-to-end tests with
# the real zfs and zpool in place of the simulated ones. TEST: only these test programs; --all: every program, and the
# tests that need much time (Need::Time) too. By default it is the programs below, which say most of ZFS.
set -euo pipefail
DEFAULT=(same_answers zfs_real streams_real images_real resume_real vmadm_read vmadm_write)

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ci/zfs-vm.sh build
# The whole workspace, as in the README's test command: nothing is built once for that and once for this.
cargo build --quiet --workspace --bins
# Stripped copies: they are small, and what is built meanwhile does not get under the tests.
OUT=target/real-zfs
ci/test-programs.sh "$OUT/tests" cargo test --quiet --no-run --workspace
rm -rf "$OUT/programs"
mkdir "$OUT/programs"
for name in gzsim zonecfg vmadm imgadm bhyve-ctl; do
  cp "target/debug/$name" "$OUT/programs"
done
strip "$OUT"/*/*

ZFS_VM_TIMEOUT=${ZFS_VM_TIMEOUT:-2400} ci/zfs-vm.sh run bash ci/real-zfs/inside.sh "${@:-${DEFAULT[@]}}"
