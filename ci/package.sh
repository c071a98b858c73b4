#!/usr/bin/env bash
# package.sh - a relocatable package of the programs, and the packing lists that IPS and pkgsrc take.
#
#   package.sh [--out DIR] [--programs DIR] [--prefix PATH]
#
# --programs: already built programs; without it they are built for illumos (ci/check-illumos.sh). --prefix: where the
# package is installed, /opt/zonekit by default. Makes in DIR (target/package by default):
#   zonekit.tar.gz   unpack below / (gzip -dc zonekit.tar.gz | tar xf -); PREFIX/lib/uninstall takes it away again
#   zonekit.p5m      IPS manifest for pkgsend publish -d root zonekit.p5m; services are where SMF imports them
#   PLIST            pkgsrc packing list
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=target/package PROGRAMS='' PREFIX=/opt/zonekit
while (($#)); do
  case $1 in
    --out) OUT=${2:?} && shift 2 ;;
    --programs) PROGRAMS=${2:?} && shift 2 ;;
    --prefix) PREFIX=${2:?} && shift 2 ;;
    *) sed -n '2,/^set -euo/{/^set/d;s/^# \{0,1\}//p}' ci/package.sh; exit 2 ;;
  esac
done

NAMES="vmadm imgadm zonecfg bhyve-ctl"
VERSION=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
if [[ -z $PROGRAMS ]]; then
  ci/check-illumos.sh build --release -p vmadm -p imgadm -p zonecfg -p bhyve-ctl
  PROGRAMS=target/illumos/x86_64-unknown-illumos/release
  ci/check-illumos.sh report "$PROGRAMS"/{vmadm,imgadm,zonecfg,bhyve-ctl}
fi

ROOT=$OUT/root
rm -rf "$ROOT"
put() { # MODE FILE PATH-BELOW-PREFIX
  install -D -m "$1" "$2" "$ROOT$PREFIX/$3"
}
for name in $NAMES; do put 755 "$PROGRAMS/$name" "bin/$name"; done
for page in man/*.[58]; do put 644 "$page" "share/man/man${page##*.}/${page##*/}"; done
for schema in schemas/*.json; do put 644 "$schema" "share/zonekit/schemas/${schema##*/}"; done
for example in examples/*; do put 644 "$example" "share/zonekit/examples/${example##*/}"; done
for name in $NAMES; do
  put 644 "man/completions/$name.bash" "share/bash-completion/completions/$name"
  put 644 "man/completions/$name.zsh" "share/zsh/site-functions/_$name"
  put 644 "man/completions/$name.fish" "share/fish/vendor_completions.d/$name.fish"
done
for manifest in ci/package/smf/*.xml; do
  sed "s|@PREFIX@|$PREFIX|g" "$manifest" >"$OUT/manifest.xml"
  put 444 "$OUT/manifest.xml" "share/smf/${manifest##*/}"
done
rm -f "$OUT/manifest.xml"
put 644 LICENSE share/zonekit/LICENSE
sed "s|@PREFIX@|$PREFIX|g" ci/package/uninstall >"$OUT/uninstall"
put 755 "$OUT/uninstall" lib/uninstall
rm -f "$OUT/uninstall"

list() { (cd "$ROOT" && find . -type f | sed 's|^\./||' | LC_ALL=C sort); }
# What a package manager installs: it knows its files, and takes them away itself.
managed() { list | grep -vxF -e "${PREFIX#/}/lib/uninstall" -e "${PREFIX#/}/share/zonekit/PLIST"; }
{ list; printf '%s\n' "${PREFIX#/}/share/zonekit/PLIST"; } | LC_ALL=C sort >"$OUT/files"
install -D -m 644 "$OUT/files" "$ROOT$PREFIX/share/zonekit/PLIST"
rm -f "$OUT/files"

# One order, owner and time, so that one source gives one package.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
  --format=ustar -C "$ROOT" -cf - "${PREFIX#/}" | gzip -9n >"$OUT/zonekit.tar.gz"

SERVICES=lib/svc/manifest/system/zonekit
{
  echo "set name=pkg.fmri value=pkg://zonekit/system/zones/zonekit@$VERSION"
  echo 'set name=pkg.summary value="vmadm, imgadm, zonecfg and bhyve-ctl for the illumos global zone"'
  echo 'set name=pkg.description value="Creates and runs zones, bhyve and KVM virtual machines and the ZFS datasets under them, and fetches and verifies images from an image server"'
  echo 'set name=info.classification value="org.opensolaris.category.2008:System/Virtualization"'
  echo 'set name=variant.arch value=i386'
  echo 'set name=variant.opensolaris.zone value=global'
  sed -n 's|.*<service name="\([^"]*\)".*|set name=org.opensolaris.smf.fmri value=svc:/\1|p' ci/package/smf/*.xml |
    sed '2,$s/.* / /' | tr -d '\n'
  echo
  echo "license ${PREFIX#/}/share/zonekit/LICENSE license=MPL-2.0"
  echo 'depend type=require fmri=system/library'
  echo 'depend type=require fmri=system/zones'
  (cd "$ROOT" && find ".$PREFIX" -type d | LC_ALL=C sort) | while read -r path; do
    echo "dir path=${path#./} owner=root group=bin mode=0755"
  done
  echo "dir path=$SERVICES owner=root group=sys mode=0755"
  managed | while read -r path; do
    case $path in
      # Where the system looks for the manifests of services, at boot and when one comes or goes.
      */share/smf/*)
        echo "file $path path=$SERVICES/${path##*/} owner=root group=sys mode=0444" \
          "restart_fmri=svc:/system/manifest-import:default"
        ;;
      *) echo "file $path path=$path owner=root group=bin mode=0$(stat -c %a "$ROOT/$path")" ;;
    esac
  done
} >"$OUT/zonekit.p5m"
{
  echo '@comment $NetBSD$'
  managed | sed "s|^${PREFIX#/}/||"
} >"$OUT/PLIST"
echo "$OUT/zonekit.tar.gz: $(list | wc -l) files, $(stat -c %s "$OUT/zonekit.tar.gz") bytes"
