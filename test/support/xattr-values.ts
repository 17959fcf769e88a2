/** Values of extended attributes that the kernel reads. */

/** One entry of an ACL; without an id, the kernel's "none". */
export type AclEntry = readonly [tag: number, permissions: number, id?: number];

/** An ACL in the kernel's form (linux/posix_acl_xattr.h): the version, then tag, permissions and id of each entry. */
export function aclBytes(entries: readonly AclEntry[], version = 2): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(version, 0);
  for (const [at, [tag, permissions, id = 0xffff_ffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * at);
    bytes.writeUInt16LE(permissions, 6 + 8 * at);
    bytes.writeUInt32LE(id, 8 + 8 * at);
  }
  return bytes;
}

/** Entries of every kind; as an access ACL it is the mode 0650. */
export const ACL: Buffer = aclBytes([
  [1, 6],
  [2, 7, 1000],
  [2, 0, 70_000],
  [4, 4],
  [8, 5, 12],
  [0x10, 5],
  [0x20, 0],
]);

/** The three entries that say no more than the mode 0714. */
export const MINIMAL_ACL: Buffer = aclBytes([
  [1, 7],
  [4, 1],
  [0x20, 4],
]);

/** CAP_NET_RAW, effective and permitted. */
export const CAPABILITY: Buffer = Buffer.from("0100000200200000000000000000000000000000", "hex");
