#!/usr/bin/env bash
# test-package.sh PROGRAMS: the package holds what it lists, installs below a root, runs from there, and goes away whole.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
ci/package.sh --out "$WORK/out" --programs "${1:-target/debug}"

mkdir "$WORK/root"
touch "$WORK/root/kept"
tar -xzf "$WORK/out/zonekit.tar.gz" -C "$WORK/root"
diff <(cd "$WORK/root" && find . -type f ! -name kept | sed 's|^\./||' | LC_ALL=C sort) \
  "$WORK/root/opt/zonekit/share/zonekit/PLIST"
for name in vmadm imgadm zonecfg bhyve-ctl; do
  code=0
  "$WORK/root/opt/zonekit/bin/$name" help >/dev/null 2>&1 || code=$?
  [[ $code -le 2 ]] || { echo "$name does not run: exit $code"; exit 1; }
done
if command -v xmllint >/dev/null; then
  for manifest in "$WORK/root/opt/zonekit/share/smf/"*.xml; do xmllint --noout --nonet "$manifest"; done
fi
! grep -r '@PREFIX@' "$WORK/root"
[[ $(grep -c '^file ' "$WORK/out/zonekit.p5m") -eq $(wc -l <"$WORK/root/opt/zonekit/share/zonekit/PLIST") ]]
ROOT=$WORK/root "$WORK/root/opt/zonekit/lib/uninstall"
[[ $(cd "$WORK/root" && find . -mindepth 1 | LC_ALL=C sort | paste -sd' ') == './kept ./opt' ]]
echo "package: 1 passed, 0 failed"
