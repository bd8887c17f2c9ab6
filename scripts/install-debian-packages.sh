#!/bin/sh
# Installs Debian packages for the tests without starting their services: sh install-debian-packages.sh PACKAGE...
# Needs root.
set -eu

# Debian asks this program before it starts a service; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt='apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120'
# One repository of the machine that is down need not matter to these packages.
$apt update || echo 'apt-get update failed: going on with the package lists at hand' >&2
$apt install -y --no-install-recommends "$@"
