#!/bin/busybox sh
# /init of the boot test: loads virtio, mounts the disk, grows it to the size of the device, and switches into it. What
# runs there is /in-root.sh, handed over as text, so that nothing is written into the root before it was summed up.
/bin/busybox mkdir -p /proc /sys /dev /newroot
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
export PATH=/bin
end() {
  busybox echo "$1"
  busybox sync
  busybox poweroff -f
}
for module in /modules/*; do busybox insmod "$module"; done
busybox grep -q rootlift.probe /proc/cmdline && end "ROOTLIFT-PROBE ok"
waited=0
while [ ! -b /dev/vda ] && [ $waited -lt 300 ]; do
  busybox sleep 0.1
  waited=$((waited + 1))
done
# noinit_itable: the tables of new groups would be zeroed in the background, for nothing.
busybox mount -t ext4 -o noatime,noinit_itable /dev/vda /newroot || end "ROOTLIFT-FAILED the disk cannot be mounted"
[ -d /newroot/proc ] || end "ROOTLIFT-FAILED the image has no /proc"
/bin/resize2fs /dev/vda || end "ROOTLIFT-FAILED the mounted disk does not grow"
busybox umount /sys
busybox mount --move /dev /newroot/dev || busybox umount -l /dev
busybox mount --move /proc /newroot/proc
in_root=$(busybox cat /in-root.sh)
exec busybox switch_root /newroot /bin/sh -c "$in_root"
