import { S_IFDIR, S_IFLNK, S_IFREG, type Xattr } from "../rootfs/rootfs-tree.ts";
import { checkAcl, type AclEntry } from "./posix-acl.ts";

/** An attribute as ext4 and EROFS store it: the namespace is a number, and the name goes without its prefix. */
export interface StoredXattr {
  readonly index: number;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** What becomes of one attribute: nothing at all, where an ACL says no more than the mode. */
export interface XattrVerdict {
  readonly stored?: StoredXattr;
  /** Why it is left out. */
  readonly leftOut?: string;
  /** The permission bits (0777) that an access ACL gives its inode (`posix_acl_update_mode`). */
  readonly permissions?: number;
}

/** The file system that is to hold the attributes. */
export interface XattrHolder {
  /** For the reason why it does not. */
  readonly name: string;
  readonly encodeAcl: (entries: readonly AclEntry[]) => Uint8Array;
}

/** Name indexes: `fs/ext4/xattr.h`, and the same in `fs/erofs/erofs_fs.h`. */
const INDEX_USER = 1;
const INDEX_ACL_ACCESS = 2;
const INDEX_ACL_DEFAULT = 3;
const INDEX_TRUSTED = 4;
const INDEX_SECURITY = 6;
const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ["user.", INDEX_USER],
  ["trusted.", INDEX_TRUSTED],
  ["security.", INDEX_SECURITY],
];
const CAPABILITY = "security.capability";
/** `struct vfs_cap_data` and `vfs_ns_cap_data`, by the revision in the top byte (`include/uapi/linux/capability.h`). */
const CAPABILITY_BYTES: Readonly<Record<number, number>> = { 2: 20, 3: 24 };

/**
 * Where an attribute goes, by the rules of the kernel, which an extraction by system calls would meet as well.
 * @param type of the inode, its `S_IFMT` bits
 */
export function xattrVerdict(
  { name, value }: Xattr,
  type: number,
  holder: XattrHolder,
): XattrVerdict {
  const text = Buffer.from(name).toString("latin1");
  if (text === "system.posix_acl_access") return aclVerdict(value, type, "access", holder);
  if (text === "system.posix_acl_default") return aclVerdict(value, type, "default", holder);
  const prefix = PREFIXES.find(([start]) => text.startsWith(start) && text.length > start.length);
  if (prefix === undefined) return { leftOut: `${holder.name} has no place for that name` };
  const [{ length }, index] = prefix;
  if (index === INDEX_USER && type !== S_IFREG && type !== S_IFDIR) {
    return { leftOut: "only files and directories hold it" };
  }
  if (text === CAPABILITY && !isCapability(value)) return { leftOut: "not a set of capabilities" };
  return { stored: { index, name: name.subarray(length), value } };
}

function aclVerdict(
  value: Uint8Array,
  type: number,
  kind: "access" | "default",
  { encodeAcl }: XattrHolder,
): XattrVerdict {
  if (type === S_IFLNK) return { leftOut: "a symlink has no ACL" };
  if (kind === "default" && type !== S_IFDIR) return { leftOut: "only a directory holds it" };
  const acl = checkAcl(value, kind);
  if (acl === undefined) return { leftOut: "not a valid ACL" };
  const { entries, permissions } = acl;
  const index = kind === "access" ? INDEX_ACL_ACCESS : INDEX_ACL_DEFAULT;
  return {
    ...(entries === undefined
      ? {}
      : { stored: { index, name: new Uint8Array(0), value: encodeAcl(entries) } }),
    ...(permissions === undefined || kind === "default" ? {} : { permissions }),
  };
}

function isCapability(value: Uint8Array): boolean {
  const revision = value[3];
  return revision !== undefined && CAPABILITY_BYTES[revision] === value.length;
}
