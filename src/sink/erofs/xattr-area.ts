import { ImportError, printable } from "../../errors.ts";
import type { RootfsTree, Xattr } from "../../rootfs/rootfs-tree.ts";
import { kernelAcl } from "../posix-acl.ts";
import { XattrPlans } from "../xattr-plans.ts";
import { xattrVerdict, type StoredXattr, type XattrHolder } from "../xattr-verdict.ts";
import {
  LARGEST_XATTR_AREA,
  LARGEST_XATTR_VALUE,
  LONGEST_XATTR_NAME,
  XATTR_ENTRY_BYTES,
  XATTR_HEADER_BYTES,
  XATTR_UNIT_BYTES,
} from "./format.ts";

/** The attributes of an inode as they lie behind it. */
export interface XattrArea {
  /** Header and entries; empty for none. A multiple of 4. */
  readonly bytes: Uint8Array;
  /** `i_xattr_icount`. */
  readonly count: number;
  /** The permission bits that the access ACL gives the inode. */
  readonly permissions: number | undefined;
  /** Attributes that EROFS cannot hold, and why. */
  readonly leftOut: readonly string[];
}

/** ACLs stay in the form of the kernel's calls, other than in ext4. */
const EROFS: XattrHolder = { name: "EROFS", encodeAcl: kernelAcl };
const NO_XATTRS: XattrArea = {
  bytes: new Uint8Array(0),
  count: 0,
  permissions: undefined,
  leftOut: [],
};

export function xattrAreas(tree: RootfsTree): XattrPlans<XattrArea> {
  return new XattrPlans(tree, NO_XATTRS, planXattrArea);
}

/**
 * @param type of the inode, its `S_IFMT` bits
 * @param path of the inode, for the error
 * @throws ImportError ERR_LIMIT_EXCEEDED for what no inode can have
 */
export function planXattrArea(
  xattrs: readonly Xattr[],
  type: number,
  path: () => Uint8Array,
): XattrArea {
  const stored: StoredXattr[] = [];
  const leftOut: string[] = [];
  let permissions: number | undefined;
  for (const xattr of xattrs) {
    const verdict = xattrVerdict(xattr, type, EROFS);
    if (verdict.stored !== undefined) stored.push(verdict.stored);
    if (verdict.leftOut !== undefined) {
      leftOut.push(`${printable(xattr.name)} left out (${verdict.leftOut})`);
    }
    permissions = verdict.permissions ?? permissions;
  }
  if (stored.length === 0) return { ...NO_XATTRS, permissions, leftOut };
  const size = stored.reduce((sum, xattr) => sum + bytesOf(xattr), XATTR_HEADER_BYTES);
  const isStorable = stored.every(
    ({ name, value }) => name.length <= LONGEST_XATTR_NAME && value.length <= LARGEST_XATTR_VALUE,
  );
  if (!isStorable || size > LARGEST_XATTR_AREA) throw tooLarge(xattrs, path());
  const count = (size - XATTR_HEADER_BYTES) / XATTR_UNIT_BYTES + 1;
  return { bytes: encode(stored.toSorted(compareStored), size), count, permissions, leftOut };
}

function bytesOf({ name, value }: StoredXattr): number {
  const bytes = XATTR_ENTRY_BYTES + name.length + value.length;
  return Math.ceil(bytes / XATTR_UNIT_BYTES) * XATTR_UNIT_BYTES;
}

function compareStored(left: StoredXattr, right: StoredXattr): number {
  return left.index - right.index || Buffer.compare(left.name, right.name);
}

/** No attribute is shared, and no name filter is given: the header is all zeros. */
function encode(xattrs: readonly StoredXattr[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = XATTR_HEADER_BYTES;
  for (const xattr of xattrs) {
    const { index, name, value } = xattr;
    bytes[at] = name.length;
    bytes[at + 1] = index;
    view.setUint16(at + 2, value.length, true);
    bytes.set(name, at + XATTR_ENTRY_BYTES);
    bytes.set(value, at + XATTR_ENTRY_BYTES + name.length);
    at += bytesOf(xattr);
  }
  return bytes;
}

function tooLarge(xattrs: readonly Xattr[], path: Uint8Array): ImportError {
  const [largest] = xattrs.toSorted((a, b) => b.value.length - a.value.length);
  const attribute = printable(largest?.name ?? "");
  const bytes = xattrs.reduce((sum, { value }) => sum + value.length, 0);
  const shown = printable(path);
  return new ImportError(
    "ERR_LIMIT_EXCEEDED",
    `"${shown}" has extended attributes of ${bytes} bytes (the largest, "${attribute}", has ${largest?.value.length}); EROFS holds ${LARGEST_XATTR_VALUE} in one, and ${LARGEST_XATTR_AREA} a file`,
    {
      hint: "Import the image with --format dir or tar, or rebuild it without that attribute.",
      details: { path: shown, attribute, bytes, limit: LARGEST_XATTR_VALUE },
    },
  );
}
