#!/usr/bin/env bash
# clients.sh - Ansible's and Salt's own modules and the vmadm package of npm, unmodified, against the programs in a
# simulated global zone: create, update, stop, start, delete and idempotent second runs. CLIENTS_CACHE: where they are
# installed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${CLIENTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zonekit-clients}
# Community.general comes inside the ansible package; Salt 3006 is the long-supported line.
WANT="ansible==12.* salt==3006.*"
# A directory that was moved, or whose Python has gone, is no better than none.
if [[ ! -f $CACHE/ready || $(<"$CACHE/ready") != "$WANT" ]] ||
  ! "$CACHE/bin/ansible-playbook" --version >/dev/null 2>&1; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    ci/apt-install.sh python3 python3-venv
  fi
  python3 -m venv --clear "$CACHE"
  # shellcheck disable=SC2086 # two requirements
  "$CACHE/bin/pip" install --quiet --disable-pip-version-check $WANT
  echo "$WANT" >"$CACHE/ready"
fi

# The npm package, where this machine has node; without it that part is left out.
NPM_WANT=vmadm@1.3.0
NODE_PACKAGE=''
if command -v node >/dev/null && command -v npm >/dev/null; then
  if [[ ! -f $CACHE/npm-ready || $(<"$CACHE/npm-ready") != "$NPM_WANT" ]]; then
    if npm install --silent --no-fund --no-audit --prefix "$CACHE/npm" "$NPM_WANT" >/dev/null; then
      echo "$NPM_WANT" >"$CACHE/npm-ready"
    fi
  fi
  if [[ -f $CACHE/npm-ready ]]; then NODE_PACKAGE=$CACHE/npm/node_modules/vmadm; fi
fi

cargo build --quiet --workspace --bins
WORK=$(mktemp -d)
SERVER=''
finish() {
  if [[ -n $SERVER ]]; then kill "$SERVER" 2>/dev/null || true; fi
  rm -rf "$WORK"
}
trap finish EXIT
GZSIM=$PWD/target/debug/gzsim
for root in gz gz-salt gz-node; do
  "$GZSIM" init "$WORK/$root"
  # Nothing but this machine is there to be asked.
  "$GZSIM" run "$WORK/$root" -- imgadm sources -d https://images.smartos.org
done

# An image server with one image, for the modules that import.
mkdir "$WORK/images"
ci/clients/image.sh "$WORK/images"
target/debug/imgadm serve "$WORK/images" --port 0 >"$WORK/serve.out" 2>"$WORK/serve.log" &
SERVER=$!
for _ in $(seq 100); do
  URL=$(grep -ho 'http://127.0.0.1:[0-9]*' "$WORK/serve.out" "$WORK/serve.log" | head -n 1 || true)
  [[ -n $URL ]] && break
  sleep 0.05
done
[[ -n $URL ]] || { cat "$WORK/serve.log" >&2; exit 1; }

export ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_INVENTORY_UNPARSED_WARNING=False ANSIBLE_HOME=$WORK/ansible
export ANSIBLE_DEPRECATION_WARNINGS=False
"$GZSIM" run "$WORK/gz" -- "$CACHE/bin/ansible-playbook" -i localhost, -c local \
  -e "ansible_python_interpreter=$CACHE/bin/python image_server=$URL" ci/clients/playbook.yml
"$GZSIM" run "$WORK/gz-salt" -- "$CACHE/bin/python" ci/clients/salt_modules.py "$WORK/salt" "$URL"
if [[ -z $NODE_PACKAGE ]]; then
  echo "skipped: node-vmadm: no node, or its package cannot be had" >&2
  exit 0
fi
IMAGE=6b1d5c8e-2f7e-4d4b-9a51-0c1f5f2f7a10
"$GZSIM" run "$WORK/gz-node" -- imgadm sources -a "$URL"
"$GZSIM" run "$WORK/gz-node" -- imgadm import "$IMAGE"
"$GZSIM" run "$WORK/gz-node" -- node ci/clients/node_vmadm.js "$NODE_PACKAGE" "$IMAGE"
