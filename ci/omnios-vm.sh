#!/usr/bin/env bash
# omnios-vm.sh - the end-to-end tests on a real OmniOS.
#
#   omnios-vm.sh --image FILE [--key FILE]   boot OmniOS's cloud image (raw or qcow2) in QEMU, root by SSH key
#   omnios-vm.sh --ssh HOST                  use a machine that is up: root@host
#
# Options: --package TARBALL (else ci/package.sh makes it), --out DIR (logs and results), --port N (SSH, default
# 2222), --dry-run (print what would be done). The image gets its key from a cloud-init seed made here.
set -euo pipefail

# shellcheck disable=SC2034 # read by common.sh
NAME=omnios
SCRIPT=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$SCRIPT")/.."
# shellcheck source=ci/vm/common.sh
. ci/vm/common.sh

# A NoCloud seed that lets root in with the key; made when no key was given.
seed() {
  if [[ -z $KEY ]]; then
    KEY=$OUT/key
    [[ -f $KEY ]] || ssh-keygen -q -t ed25519 -N '' -f "$KEY"
  fi
  mkdir -p "$OUT/seed"
  printf 'instance-id: zonekit\nlocal-hostname: zonekit\n' >"$OUT/seed/meta-data"
  printf '#cloud-config\ndisable_root: false\nusers:\n - name: root\n   ssh_authorized_keys:\n    - %s\n' \
    "$(cat "$KEY.pub")" >"$OUT/seed/user-data"
  genisoimage -quiet -volid cidata -joliet -rock -output "$OUT/seed.iso" "$OUT/seed/user-data" "$OUT/seed/meta-data"
}

prepare_image() {
  [[ -z $DRY ]] || return 0
  seed
  # What the run writes goes to an overlay: the image stays as it is.
  local format
  format=$(qemu-img info "$IMAGE" | sed -n 's/^file format: //p')
  qemu-img create -q -f qcow2 -F "$format" -b "$(readlink -f "$IMAGE")" "$OUT/disk.qcow2"
}

boot_arguments() {
  printf '%s\n' -m 4096 -smp 2 -display none -serial "file:$OUT/console.log" \
    -drive "file=$OUT/disk.qcow2,if=virtio" -cdrom "$OUT/seed.iso" \
    -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$PORT-:22" -device virtio-net-pci,netdev=n0
}

main "$@"
