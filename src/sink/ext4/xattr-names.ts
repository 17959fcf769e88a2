import { S_IFDIR, S_IFLNK, S_IFREG, type Xattr } from "../../rootfs/rootfs-tree.ts";
import {
  XATTR_INDEX_ACL_ACCESS,
  XATTR_INDEX_ACL_DEFAULT,
  XATTR_INDEX_SECURITY,
  XATTR_INDEX_TRUSTED,
  XATTR_INDEX_USER,
} from "./format.ts";
import { ext4Acl } from "./posix-acl.ts";

/** An attribute as ext4 stores it: the namespace is a number, and the name goes without its prefix. */
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

const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ["user.", XATTR_INDEX_USER],
  ["trusted.", XATTR_INDEX_TRUSTED],
  ["security.", XATTR_INDEX_SECURITY],
];
const CAPABILITY = "security.capability";
/** `struct vfs_cap_data` and `vfs_ns_cap_data`, by the revision in the top byte (`include/uapi/linux/capability.h`). */
const CAPABILITY_BYTES: Readonly<Record<number, number>> = { 2: 20, 3: 24 };

/**
 * Where an attribute goes, by the rules of the kernel, which an extraction by system calls would meet as well.
 * @param type of the inode, its `S_IFMT` bits
 */
export function xattrVerdict({ name, value }: Xattr, type: number): XattrVerdict {
  const text = Buffer.from(name).toString("latin1");
  if (text === "system.posix_acl_access") return aclVerdict(value, type, "access");
  if (text === "system.posix_acl_default") return aclVerdict(value, type, "default");
  const prefix = PREFIXES.find(([start]) => text.startsWith(start) && text.length > start.length);
  if (prefix === undefined) return { leftOut: "ext4 has no place for that name" };
  const [{ length }, index] = prefix;
  if (index === XATTR_INDEX_USER && type !== S_IFREG && type !== S_IFDIR) {
    return { leftOut: "only files and directories hold it" };
  }
  if (text === CAPABILITY && !isCapability(value)) return { leftOut: "not a set of capabilities" };
  return { stored: { index, name: name.subarray(length), value } };
}

function aclVerdict(value: Uint8Array, type: number, kind: "access" | "default"): XattrVerdict {
  if (type === S_IFLNK) return { leftOut: "a symlink has no ACL" };
  if (kind === "default" && type !== S_IFDIR) return { leftOut: "only a directory holds it" };
  const acl = ext4Acl(value, kind);
  if (acl === undefined) return { leftOut: "not a valid ACL" };
  const index = kind === "access" ? XATTR_INDEX_ACL_ACCESS : XATTR_INDEX_ACL_DEFAULT;
  return {
    ...(acl.value === undefined
      ? {}
      : { stored: { index, name: new Uint8Array(0), value: acl.value } }),
    ...(acl.permissions === undefined || kind === "default"
      ? {}
      : { permissions: acl.permissions }),
  };
}

function isCapability(value: Uint8Array): boolean {
  const revision = value[3];
  return revision !== undefined && CAPABILITY_BYTES[revision] === value.length;
}
