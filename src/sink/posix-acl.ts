/**
 * POSIX ACLs in the form that the kernel's xattr calls take (`include/uapi/linux/posix_acl_xattr.h`):
 *
 *     le32 version 2, then for each entry tag (2), permissions (2), id (4)
 */

const KERNEL_VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const NO_ID = 0xffff_ffff;

const USER_OBJ = 0x01;
const USER = 0x02;
const GROUP_OBJ = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const OTHER = 0x20;

export interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  /** Means something only where `hasId`. */
  readonly id: number;
}

export interface CheckedAcl {
  /** Undefined for an ACL that says no more than the mode: the kernel stores none either. */
  readonly entries: readonly AclEntry[] | undefined;
  /** The permission bits (0777) that go with an access ACL; undefined for an empty one. */
  readonly permissions: number | undefined;
}

/** The entry names a user or a group; the others speak of those of the mode. */
export function hasId({ tag }: AclEntry): boolean {
  return tag === USER || tag === GROUP;
}

/**
 * An ACL as the kernel checks it (`posix_acl_valid`).
 * @param value the kernel's form
 * @returns undefined for one that the kernel refuses
 */
export function checkAcl(value: Uint8Array, kind: "access" | "default"): CheckedAcl | undefined {
  if (value.length === 0) return { entries: undefined, permissions: undefined };
  const entries = parseEntries(value);
  if (entries === undefined) return undefined;
  if (entries.length === 0) return { entries: undefined, permissions: undefined };
  if (!isValid(entries)) return undefined;
  const isMinimal = entries.every(({ tag }) => (tag & (USER_OBJ | GROUP_OBJ | OTHER)) !== 0);
  return {
    entries: kind === "access" && isMinimal ? undefined : entries,
    permissions: permissionBits(entries),
  };
}

/** The kernel's form, with the ids that it gives entries without one. */
export function kernelAcl(entries: readonly AclEntry[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + entries.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, KERNEL_VERSION, true);
  for (const [index, entry] of entries.entries()) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.permissions, true);
    view.setUint32(at + 4, hasId(entry) ? entry.id : NO_ID, true);
  }
  return bytes;
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
  const isKnown = entries.every((entry) => {
    const { tag, permissions, id } = entry;
    const isTag =
      hasId(entry) || tag === USER_OBJ || tag === GROUP_OBJ || tag === MASK || tag === OTHER;
    return isTag && permissions <= 7 && !(hasId(entry) && id === NO_ID);
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
