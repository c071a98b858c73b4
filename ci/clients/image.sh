#!/usr/bin/env bash
# image.sh DIR: writes an image that `imgadm serve DIR` offers: manifest and file, from the repository's test stream.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
uuid=6b1d5c8e-2f7e-4d4b-9a51-0c1f5f2f7a10
file=$(find . -path ./target -prune -o -name zone.zfs.gz -print | head -n 1)
cp "$file" "$1/$uuid.file"
cat >"$1/$uuid.json" <<J
{
  "v": 2, "uuid": "$uuid", "owner": "00000000-0000-0000-0000-000000000000", "name": "clients", "version": "1.0.0",
  "state": "active", "disabled": false, "public": true, "published_at": "2026-01-02T03:04:05Z", "type": "zone-dataset",
  "os": "smartos", "description": "an image for the clients", "tags": {},
  "files": [{ "sha1": "$(sha1sum <"$file" | cut -d' ' -f1)", "size": $(stat -c %s "$file"), "compression": "gzip" }]
}
J
