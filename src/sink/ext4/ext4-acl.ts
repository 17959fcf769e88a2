import { hasId, type AclEntry } from "../posix-acl.ts";

const EXT4_VERSION = 1;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const SHORT_ENTRY_BYTES = 4;

/**
 * An ACL in ext4's own form (`fs/ext4/acl.h`):
 *
 *     le32 version 1, then tag (2), permissions (2), and an id (4) only for the tags USER and GROUP
 *
 * The kernel's form stored as it is would make every `getfacl` fail, unnoticed by e2fsck.
 */
export function ext4Acl(entries: readonly AclEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + bytesOf(entry), HEADER_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, EXT4_VERSION, true);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.permissions, true);
    if (hasId(entry)) view.setUint32(at + 4, entry.id, true);
    at += bytesOf(entry);
  }
  return bytes;
}

function bytesOf(entry: AclEntry): number {
  return hasId(entry) ? ENTRY_BYTES : SHORT_ENTRY_BYTES;
}
