#!/usr/bin/env bash
# images.sh: imgadm against programs that others made: disk images of qemu-img, Debian's docker-registry. The programs
# are unpacked beside the build, not installed, so that nothing on the machine has to give way. IMAGES_CACHE: where.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${IMAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zonekit-images}
if [[ ! -x $CACHE/usr/bin/qemu-img || ! -x $CACHE/usr/bin/docker-registry ]]; then
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  chmod 755 "$WORK"
  apt-get update -qq
  (cd "$WORK" && apt-get download -qq qemu-utils docker-registry)
  mkdir -p "$CACHE"
  for package in "$WORK"/*.deb; do dpkg-deb -x "$package" "$CACHE"; done
  # What the two are linked with, where the machine has not got it.
  if ldd "$CACHE/usr/bin/qemu-img" | grep -q 'not found'; then
    ci/apt-install.sh qemu-utils
  fi
fi
OUTPUT=$(PATH=$CACHE/usr/bin:$PATH cargo test -q --workspace --test disks --test docker -- --nocapture 2>&1) || {
  echo "$OUTPUT"
  exit 1
}
echo "$OUTPUT" | grep 'test result'
# Here nothing may be left out.
if grep 'skipped:' <<<"$OUTPUT"; then exit 1; fi
