#!/usr/bin/env bash
# test-package.sh PROGRAMS: the package holds what it lists in each of its lists; its service manifests, manual pages,
# completions and schemas are valid; it installs below a root, runs from there, and goes away whole.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
if ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || ! type xmllint mandoc zsh fish >/dev/null 2>&1; then
  ci/apt-install.sh libxml2-utils mandoc zsh fish python3 python3-jsonschema
fi

# lists DIR PREFIX: makes the package, and checks its lists against its files.
lists() {
  ci/package.sh --out "$1" --programs "$PROGRAMS" --prefix "$2"
  mkdir "$1/unpacked"
  tar -xzf "$1/zonekit.tar.gz" -C "$1/unpacked"
  /usr/bin/python3 ci/package/lint.py "$1/unpacked" "$2" "$1/zonekit.p5m" "$1/PLIST"
  absent '@PREFIX@' "$1/unpacked"
}

absent() { # TEXT DIR...: no file below holds it
  local text=$1
  shift
  if grep -rlI -- "$text" "$@"; then
    echo "test-package.sh: the files above hold $text"
    return 1
  fi
}

# Without symbols: they are packed three times.
PROGRAMS=$WORK/programs
mkdir "$PROGRAMS"
for name in vmadm imgadm zonecfg bhyve-ctl; do strip -o "$PROGRAMS/$name" "${1:-target/debug}/$name"; done
lists "$WORK/out" /opt/zonekit
# Relocatable: the same files below another prefix, none of which names the first.
lists "$WORK/other" /usr/local
diff "$WORK/out/PLIST" "$WORK/other/PLIST"
absent /opt/zonekit "$WORK/other/unpacked/usr/local/lib" "$WORK/other/unpacked/usr/local/share/smf"
# The same source gives the same bytes.
ci/package.sh --out "$WORK/again" --programs "$PROGRAMS" >/dev/null
cmp "$WORK/out/zonekit.tar.gz" "$WORK/again/zonekit.tar.gz"

ROOT=$WORK/root
PREFIX=$ROOT/opt/zonekit
mkdir -p "$ROOT/opt/other"
touch "$ROOT/kept" "$ROOT/opt/other/kept"
tar -xzf "$WORK/out/zonekit.tar.gz" -C "$ROOT"
for name in vmadm imgadm zonecfg bhyve-ctl; do
  code=0
  "$PREFIX/bin/$name" help >/dev/null 2>&1 || code=$?
  [[ $code -le 2 ]] || { echo "$name does not run: exit $code"; exit 1; }
  [[ -s $PREFIX/share/man/man8/$name.8 ]]
  bash -n "$PREFIX/share/bash-completion/completions/$name"
  zsh -n "$PREFIX/share/zsh/site-functions/_$name"
  fish -n "$PREFIX/share/fish/vendor_completions.d/$name.fish"
done
mandoc -T lint -W warning "$PREFIX"/share/man/man*/*
for manifest in "$PREFIX/share/smf/"*.xml; do
  # Valid by our own copy of the rules: the document's are on illumos alone.
  sed '/^<!DOCTYPE/d' "$manifest" | xmllint --noout --nonet --dtdvalid ci/package/manifest.dtd -
  # What a service starts is in the package.
  while read -r program; do [[ -x $ROOT$program ]]; done \
    < <(xmllint --xpath '//exec_method/@exec' "$manifest" | grep -o '/opt/zonekit/[^ "]*')
done
/usr/bin/python3 ci/package/schemas.py "$PREFIX/share/zonekit" crates/manifest/tests/data crates/vmadm/tests/data/load

# Copies of its services go with it, others stay.
mkdir -p "$ROOT/opt/custom/smf"
cp "$PREFIX/share/smf/zonekit-metadata.xml" "$ROOT/opt/custom/smf"
sed 's|/opt/zonekit/|/usr/local/|' "$PREFIX/share/smf/zonekit-events.xml" >"$ROOT/opt/custom/smf/zonekit-events.xml"
ROOT=$ROOT "$PREFIX/lib/uninstall"
[[ $(cd "$ROOT" && find . -type f | LC_ALL=C sort | paste -sd' ') == './kept ./opt/custom/smf/zonekit-events.xml ./opt/other/kept' ]]
[[ ! -e $PREFIX ]]
# Without a list there is nothing to go by.
tar -xzf "$WORK/out/zonekit.tar.gz" -C "$ROOT"
rm "$PREFIX/share/zonekit/PLIST"
if ROOT=$ROOT "$PREFIX/lib/uninstall" 2>/dev/null; then
  echo "test-package.sh: uninstalled without a list"
  exit 1
fi
[[ -x $PREFIX/bin/vmadm ]]

# On the system itself the services that were imported go, too: here all but one.
LIVE=$WORK/live/zonekit
ci/package.sh --out "$WORK/on-system" --programs "$PROGRAMS" --prefix "$LIVE" >/dev/null
tar -xzf "$WORK/on-system/zonekit.tar.gz" -C /
mkdir "$WORK/tools"
printf '#!/bin/sh\n[ "$2" != svc:/zonekit/links ]\n' >"$WORK/tools/svcs"
for tool in svcadm svccfg; do printf '#!/bin/sh\necho %s "$@" >>%s\n' "$tool" "$WORK/asked" >"$WORK/tools/$tool"; done
chmod +x "$WORK/tools/"*
PATH=$WORK/tools:$PATH "$LIVE/lib/uninstall"
[[ ! -e $LIVE ]]
diff - "$WORK/asked" <<'END'
svcadm disable -s svc:/zonekit/events
svccfg delete -f svc:/zonekit/events
svcadm disable -s svc:/zonekit/imgadm-serve
svccfg delete -f svc:/zonekit/imgadm-serve
svcadm disable -s svc:/zonekit/metadata
svccfg delete -f svc:/zonekit/metadata
END
echo "package: 1 passed, 0 failed"
