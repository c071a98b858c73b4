#!/usr/bin/env bash
# smartos-vm.sh - the end-to-end tests on a real SmartOS.
#
#   smartos-vm.sh --image FILE [--pool FILE] --key FILE   boot SmartOS in QEMU: --image is its USB image or ISO, which
#                                                         boots and keeps nothing, --pool the disk with the pool zones;
#                                                         --image alone: a disk whose pool boots (piadm bootable)
#   smartos-vm.sh --ssh HOST                              use a machine that is up: root@host
#
# Options: --package TARBALL (else ci/package.sh makes it), --out DIR (logs and results), --port N (SSH, default
# 2222), --dry-run (print what would be done). Nothing is written outside /opt/zonekit, /var/tmp and the test's VMs, and
# nothing of it to the disk: it goes to a file that QEMU forgets. KVM=/nowhere has the processor emulated.
#
# The pool is set up once, by the installer on the console of such a machine. Its /usbkey/config needs the NIC of the
# machine here, an address from QEMU's DHCP, and the key's public half in /usbkey/config.inc/authorized_keys:
#   admin_nic=52:54:00:12:34:56
#   admin_ip=dhcp
#   root_authorized_keys_file=authorized_keys
# The tests use the tag admin and the images that are there (imgadm import); they name what they miss.
set -euo pipefail

# shellcheck disable=SC2034 # read by common.sh
NAME=smartos
SCRIPT=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$SCRIPT")/.."
# shellcheck source=ci/vm/common.sh
. ci/vm/common.sh

prepare_image() {
  [[ -n $KEY || -n $DRY ]] || { say "--image needs --key: SmartOS takes no cloud-init seed"; exit 2; }
}

boot_arguments() {
  printf '%s\n' -m 4096 -smp 2 -display none -serial "file:$OUT/console.log" -snapshot
  if [[ $IMAGE == *.iso ]]; then
    printf '%s\n' -cdrom "$IMAGE" -boot d
  else
    printf '%s\n' -drive "file=$IMAGE,if=ide,index=0" -boot c
  fi
  [[ -z $POOL ]] || printf '%s\n' -drive "file=$POOL,if=ide,index=1"
  printf '%s\n' -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$PORT-:22" \
    -device e1000,netdev=n0,mac=52:54:00:12:34:56
}

prepare_machine() { :; }

main "$@"
