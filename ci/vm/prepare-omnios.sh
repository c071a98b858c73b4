#!/bin/sh
# prepare-omnios.sh - on an OmniOS (root), what the tests of its VMs need and a fresh system has not: brands, a filesystem
# for VMs, a link and the NIC tag admin that stands for it. What is there already stays. The link is of no network: the
# tests' addresses reach nobody.
set -e

# 4: it is installed. A brand that cannot be had is named by the tests that need it.
for brand in sparse lipkg bhyve; do
  pkg install -q "system/zones/brand/$brand" || [ $? -eq 4 ] || echo "prepare-omnios.sh: no brand $brand" >&2
done
zfs list rpool/zones >/dev/null 2>&1 || zfs create -o mountpoint=/zones rpool/zones
dladm show-etherstub zonekit0 >/dev/null 2>&1 || dladm create-etherstub zonekit0
[ -f /etc/zonekit.toml ] || printf 'dataset = "rpool/zones"\n\n[nic_tags]\nadmin = "zonekit0"\n' >/etc/zonekit.toml
