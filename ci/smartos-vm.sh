#!/usr/bin/env bash
# smartos-vm.sh - the end-to-end tests on a real SmartOS.
#
#   smartos-vm.sh --image FILE --key FILE    boot a SmartOS disk in QEMU: a USB image with a zones pool on it that was
#                                            set up once, with root's authorized_keys holding the key
#   smartos-vm.sh --ssh HOST                 use a machine that is up: root@host
#
# Options: --package TARBALL (else ci/package.sh makes it), --out DIR (logs and results), --port N (SSH, default
# 2222), --dry-run (print what would be done). Nothing is written outside /opt/zonekit, /var/tmp and the test's VMs.
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
  printf '%s\n' -m 4096 -smp 2 -display none -serial "file:$OUT/console.log" -snapshot \
    -drive "file=$IMAGE,if=ide" \
    -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$PORT-:22" -device e1000,netdev=n0
}

main "$@"
