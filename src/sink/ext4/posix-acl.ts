/**
 * POSIX ACLs: the kernel's xattr form and ext4's own on disk (`include/uapi/linux/posix_acl_xattr.h`, `fs/ext4/acl.h`).
 *
 *     kernel   le32 version 2, then for each entry tag (2), permissions (2), id (4)
 *     ext4     le32 version 1, then tag (2), permissions (2), and an id (4) only for the tags USER and GROUP
 *
 * The kernel form stored as it is would make every `getfacl` fail, unnoticed by e2fsck.
 */

const KERNEL_VERSION = 2;
const EXT4_VERSION = 1;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const SHORT_ENTRY_BYTES = 4;
const INVALID_ID = 0xffff_ffff;

const USER_OBJ = 0x01;
const USER = 0x02;
const GROUP_OBJ = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const OTHER = 0x20;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

export interface Ext4Acl {
  /** What ext4 stores; undefined for an ACL that says no more than the mode: the kernel stores none either. */
  readonly value: Uint8Array | undefined;
  /** The permission bits (0777) that go with an access ACL; undefined for an empty one. */
  readonly permissions: number | undefined;
}

/**
 * An ACL in ext4's form, checked as the kernel checks it (`posix_acl_valid`).
 * @param value the kernel's form
 * @returns undefined for one that the kernel refuses
 */
export function ext4Acl(value: Uint8Array, kind: "access" | "default"): Ext4Acl | undefined {
  if (value.length === 0) return { value: undefined, permissions: undefined };
  const entries = parseEntries(value);
  if (entries === undefined) return undefined;
  if (entries.length === 0) return { value: undefined, permissions: undefined };
  if (!isValid(entries)) return undefined;
  const isMinimal = entries.every(({ tag }) => (tag & (USER_OBJ | GROUP_OBJ | OTHER)) !== 0);
  return {
    value: kind === "access" && isMinimal ? undefined : encode(entries),
    permissions: permissionBits(entries),
  };
}

function parseEntries(value: Uint8Array): readonly AclEntry[] | undefined {
  if (value.length % ENTRY_BYTES !== HEADER_BYTES) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (view.getUint32(0, true) !== KERNEL_VERSION) return undefined;
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    entries.push({
      tag: view.getUint16(at, true),
      permissions: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    });
  }
  return entries;
}

/** In the order of the tags, one each of USER_OBJ, GROUP_OBJ and OTHER, and a MASK where anybody else is named. */
function isValid(entries: readonly AclEntry[]): boolean {
  const count = (tag: number): number => entries.filter((entry) => entry.tag === tag).length;
  const isOrdered = entries.every(({ tag }, at) => at === 0 || tag >= entries[at - 1]!.tag);
  const isKnown = entries.every(({ tag, permissions, id }) => {
    const hasId = tag === USER || tag === GROUP;
    const isTag = hasId || tag === USER_OBJ || tag === GROUP_OBJ || tag === MASK || tag === OTHER;
    return isTag && permissions <= 7 && !(hasId && id === INVALID_ID);
  });
  const masks = count(MASK);
  const needsMask = count(USER) + count(GROUP) > 0;
  const hasBasics = [USER_OBJ, GROUP_OBJ, OTHER].every((tag) => count(tag) === 1);
  return isOrdered && isKnown && hasBasics && masks <= 1 && (masks === 1 || !needsMask);
}

/** Where there is a MASK, the mode's group bits are the mask. */
function permissionBits(entries: readonly AclEntry[]): number {
  const of = (tag: number): number | undefined =>
    entries.find((entry) => entry.tag === tag)?.permissions;
  const group = of(MASK) ?? of(GROUP_OBJ) ?? 0;
  return ((of(USER_OBJ) ?? 0) << 6) | (group << 3) | (of(OTHER) ?? 0);
}

function encode(entries: readonly AclEntry[]): Uint8Array {
  const hasId = ({ tag }: AclEntry): boolean => tag === USER || tag === GROUP;
  const bytes = new Uint8Array(
    entries.reduce(
      (sum, entry) => sum + (hasId(entry) ? ENTRY_BYTES : SHORT_ENTRY_BYTES),
      HEADER_BYTES,
    ),
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(0, EXT4_VERSION, true);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.permissions, true);
    if (hasId(entry)) view.setUint32(at + 4, entry.id, true);
    at += hasId(entry) ? ENTRY_BYTES : SHORT_ENTRY_BYTES;
  }
  return bytes;
}
