/**
 * A device in `i_block`: the old encoding in the first word where both numbers are below 256, else the new one in the
 * second (`fs/ext4/inode.c`, `ext4_do_update_inode`; `include/linux/kdev_t.h`).
 * @param at the offset of `i_block`
 */
export function writeDeviceNumber(view: DataView, at: number, major: number, minor: number): void {
  if (major < 256 && minor < 256) {
    view.setUint32(at, (major << 8) | minor, true);
  } else {
    const low = (minor & 0xff) | (major << 8);
    view.setUint32(at + 4, low + (minor >>> 8) * 2 ** 20, true);
  }
}
