#!/usr/bin/env bash
# The metadata server against cloud-init's own client (DataSourceSmartOS), over a socket and over a serial line.
# Usage: ci/cloud-init.sh [DIRECTORY OF bhyve-ctl]. Needs Debian's package archive; without it the lane is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-target/debug}

scratch=$(mktemp -d)
server=
cleanup() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

# cloud-init is unpacked, not installed: installed, it would configure the machine that runs this.
fetch() { (cd "$scratch" && apt-get download -qq cloud-init >/dev/null 2>&1 && dpkg -x cloud-init_*.deb cloud-init); }
# Once more with fresh lists: a bare machine has none.
if ! fetch && ! { apt-get update -qq && fetch; }; then
  echo "skipped: cloud-init.sh: the package cloud-init cannot be downloaded"
  exit 0
fi
ci/apt-install.sh python3-yaml python3-configobj python3-jinja2 python3-requests python3-jsonpatch python3-jsonschema \
  python3-oauthlib python3-serial python3-netifaces

"$bin/bhyve-ctl" metadata --socket "$scratch/metadata.sock" --file ci/cloud-init/vm.json &
server=$!
for _ in $(seq 100); do
  [[ -S $scratch/metadata.sock ]] && break
  sleep 0.05
done
PYTHONPATH="$scratch/cloud-init/usr/lib/python3/dist-packages" \
  timeout 60 /usr/bin/python3 ci/cloud-init/client.py "$scratch/metadata.sock" ci/cloud-init/vm.json
