#!/bin/bash
# [--all] [TEST...]: runs in the guest, from the workspace's directory, each test program of target/real-zfs/tests in order.
set -u
# The programs are started many times: from memory, not through the shared directory.
export ZONEKIT_REAL_ZFS=/usr/sbin/zfs ZONEKIT_BIN_DIR=/tmp/programs TMPDIR=/tmp
# This machine is thrown away: its pools are the tests' to destroy.
export ZONEKIT_WIPE_POOLS="zones rpool" ZONEKIT_E2E_SKIPPED=/tmp/skipped
# Seconds that one program may take.
limit=1500
if [[ ${1-} == --all ]]; then
  export ZONEKIT_E2E_ALL=1
  limit=3600
  shift
fi
cp -r target/real-zfs/programs /tmp/programs
# For the tests of OmniOS.
truncate -s 64G /tmp/rpool
zpool create -m /rpool rpool /tmp/rpool
zfs set atime=off zones
# As illumos has it where nobody says otherwise, and the observed system had it.
zfs set compression=off zones
zfs set compression=off rpool
failed='' left_out=''
for program in target/real-zfs/tests/*; do
  name=${program##*/}
  name=${name#*-}
  if [[ $# -gt 0 && " $* " != *" $name "* ]]; then
    left_out+=" $name"
    continue
  fi
  echo "--- $name"
  begun=$SECONDS
  timeout --kill-after=10 $limit "$program" --test-threads=1
  case $? in
    0) ;;
    124 | 137)
      failed+=" $name (no end after $limit s)"
      # Where it was is the last line above; what it left is not the next program's fault.
      rm -f /tmp/zonekit-pools.lock
      ;;
    *) failed+=" $name" ;;
  esac
  echo "--- $name: $((SECONDS - begun)) s"
done
if [[ -s $ZONEKIT_E2E_SKIPPED ]]; then
  echo "skipped, $(wc -l <"$ZONEKIT_E2E_SKIPPED") tests:"
  sed 's/^/  /; s/\t/ needs /' "$ZONEKIT_E2E_SKIPPED"
fi
[[ -z $left_out ]] || echo "left out (--all runs them):$left_out"
[[ -z $failed ]] || { echo "failed:$failed"; exit 1; }
