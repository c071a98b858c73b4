#!/bin/bash
# Runs in the guest, from the workspace's directory: each test program of target/real-zfs.tests that has real parts.
set -u
# The programs are started many times: from memory, not through the shared directory.
export ZONEKIT_REAL_ZFS=/usr/sbin/zfs ZONEKIT_BIN_DIR=/tmp/programs TMPDIR=/tmp
mkdir /tmp/programs
for name in gzsim zonecfg vmadm imgadm bhyve-ctl; do
  strip -o "/tmp/programs/$name" "target/debug/$name"
done
failed=0
while read -r program; do
  name=$(basename "$program" | sed 's/-[0-9a-f]*$//')
  case $name in
    same_answers | zfs_real | images_real) ;;
    *) continue ;;
  esac
  if [[ $# -gt 0 && " $* " != *" $name "* ]]; then continue; fi
  echo "--- $name"
  "$program" --test-threads=1 || failed=1
done <target/real-zfs.tests
exit $failed
