#!/usr/bin/env bash
# Brings what `npm run test:boot` needs, from Debian's packages: qemu, busybox, and Debian's cloud kernel. The kernel is
# unpacked into a cache directory and not installed: this machine keeps its own boot files. Prints that directory.
# Run as root, but for when all is there.
set -euo pipefail

kernels=${XDG_CACHE_HOME:-$HOME/.cache}/rootlift/boot-kernel
# command:package
needs=(
  qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio modprobe:kmod e2fsck:e2fsprogs
  resize2fs:e2fsprogs mmdebstrap:mmdebstrap unshare:util-linux
)
missing=()
for need in "${needs[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "The boot test needs these packages; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! ls "$kernels"/boot/vmlinuz-* >/dev/null 2>&1; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
  if [ -z "$package" ]; then
    apt-get update -qq
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo "fetching $package" >&2
  (cd "$work" && apt-get download -qq "$package" >&2 2>/dev/null)
  dpkg-deb --extract "$work"/*.deb "$work/root"
  version=$(ls "$work/root/lib/modules")
  PATH=$PATH:/usr/sbin:/sbin depmod --basedir "$work/root" "$version"
  mkdir -p "$(dirname "$kernels")"
  rm -rf "$kernels"
  mv "$work/root" "$kernels"
fi
echo "$kernels"
