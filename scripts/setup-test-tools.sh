#!/usr/bin/env bash
# Installs what the tests need beyond npm, from Debian's packages. Run as root; does nothing where all is there.
# With --check it installs nothing, prints the missing packages on one line, and exits 1 when there are any.
set -euo pipefail

# command:package
needs=(
  docker-registry:docker-registry skopeo:skopeo umoci:umoci
  faketime:faketime mkfs.ext4:e2fsprogs fsck.erofs:erofs-utils getfattr:attr getcap:libcap2-bin strace:strace zstd:zstd tar:tar bsdtar:libarchive-tools mount:mount python3:python3
  nginx:nginx squid:squid htpasswd:apache2-utils pass:pass gpg:gnupg docker-credential-pass:golang-docker-credential-helpers
)
missing=()
for need in "${needs[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "${1:-}" = --check ]; then
  echo "${missing[*]}"
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "The tests need these packages; install them as root: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
# The tests start their own servers: those of the packages shall not run, now or after the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
for service in docker-registry nginx squid; do
  if [[ " ${missing[*]} " == *" $service "* ]]; then update-rc.d "$service" disable >/dev/null 2>&1 || true; fi
done
