#!/usr/bin/env bash
# omnios-vm.sh - the end-to-end tests on a real OmniOS.
#
#   omnios-vm.sh --image FILE [--key FILE]   boot OmniOS's cloud image (as qemu-img knows it: vmdk, raw, qcow2) in QEMU;
#                                            the host needs qemu-system-x86_64, qemu-img and genisoimage
#   omnios-vm.sh --ssh HOST                  use a machine that is up: root@host
#
# Options: --package TARBALL (else ci/package.sh makes it), --out DIR (logs and results), --port N (SSH, default
# 2222), --dry-run (print what would be done). The image's cloud-init lets root in with the key, from a seed made here;
# it takes its address from QEMU's DHCP. KVM=/nowhere has the processor emulated. The machine is made ready for VMs by
# ci/vm/prepare-omnios.sh, for which it has to reach a package repository. REQUIRED: tests that may not be skipped (one that
# makes a zone).
set -euo pipefail

# shellcheck disable=SC2034 # read by common.sh
NAME=omnios REQUIRED=${REQUIRED-omnios_system::a_sparse_zone_lives_and_leaves_nothing}
SCRIPT=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$SCRIPT")/.."
# shellcheck source=ci/vm/common.sh
. ci/vm/common.sh

# A NoCloud seed that lets root in with the key; made when no key was given. OmniOS's sshd says `PermitRootLogin no`, and
# what stands first counts.
seed() {
  if [[ -z $KEY ]]; then
    KEY=$OUT/key
    [[ -f $KEY ]] || ssh-keygen -q -t ed25519 -N '' -f "$KEY"
  fi
  mkdir -p "$OUT/seed"
  printf 'instance-id: zonekit\nlocal-hostname: zonekit\n' >"$OUT/seed/meta-data"
  cat >"$OUT/seed/user-data" <<END
#cloud-config
disable_root: false
users:
  - name: root
    lock_passwd: false
    ssh_authorized_keys:
      - $(cat "$KEY.pub")
runcmd:
  - (echo PermitRootLogin without-password; cat /etc/ssh/sshd_config) > /var/tmp/sshd_config
  - cp /var/tmp/sshd_config /etc/ssh/sshd_config
  - svcadm restart ssh
END
  genisoimage -quiet -volid cidata -joliet -rock -output "$OUT/seed.iso" "$OUT/seed/user-data" "$OUT/seed/meta-data"
}

prepare_image() {
  [[ -z $POOL ]] || usage
  [[ -z $DRY ]] || return 0
  seed
  # What the run writes goes to an overlay: the image stays as it is.
  local format
  format=$(qemu-img info "$IMAGE" | sed -n 's/^file format: //p')
  rm -f "$OUT/disk.qcow2"
  qemu-img create -q -f qcow2 -F "$format" -b "$(readlink -f "$IMAGE")" "$OUT/disk.qcow2"
}

boot_arguments() {
  printf '%s\n' -m 4096 -smp 2 -display none -serial "file:$OUT/console.log" \
    -drive "file=$OUT/disk.qcow2,if=virtio" -cdrom "$OUT/seed.iso" \
    -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$PORT-:22" -device virtio-net-pci,netdev=n0
}

# What stays on the machine: the brands, rpool/zones, an etherstub and /etc/zonekit.toml.
prepare_machine() {
  copy ci/vm/prepare-omnios.sh /var/tmp/prepare-omnios.sh
  remote 'sh /var/tmp/prepare-omnios.sh && rm /var/tmp/prepare-omnios.sh'
}

main "$@"
