#!/usr/bin/env bash
# apt-install.sh PACKAGE... - installs Debian packages, in silence, after looking for what there is now (root).
set -euo pipefail

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
