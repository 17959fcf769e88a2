const DISK_VERSION = 1;
const KERNEL_VERSION = 2;
const KERNEL_ENTRY_BYTES = 8;
/** Of an entry that names nobody. */
const NO_ID = 0xffffffff;
const TAG_USER = 2;
const TAG_GROUP = 8;

/**
 * An ACL as ext4 keeps it (version 1, ids only where somebody is named) in the form of the attribute that the kernel
 * shows (version 2, 8 bytes an entry; kernel: `fs/ext4/acl.c`). Undefined: it is none.
 */
export function kernelAcl(value: Buffer): Buffer | undefined {
  if (value.length < 4 || value.readUInt32LE(0) !== DISK_VERSION) return undefined;
  const entries: Buffer[] = [];
  for (let at = 4; at < value.length;) {
    if (value.length - at < 4) return undefined;
    const tag = value.readUInt16LE(at);
    const named = tag === TAG_USER || tag === TAG_GROUP;
    if (named && value.length - at < 8) return undefined;
    const entry = Buffer.alloc(KERNEL_ENTRY_BYTES);
    value.copy(entry, 0, at, at + 4);
    entry.writeUInt32LE(named ? value.readUInt32LE(at + 4) : NO_ID, 4);
    entries.push(entry);
    at += named ? 8 : 4;
  }
  const version = Buffer.alloc(4);
  version.writeUInt32LE(KERNEL_VERSION, 0);
  return Buffer.concat([version, ...entries]);
}
