import { EntryType } from "./entry-batch.ts";
import { limitFault } from "./fault.ts";
import { printable } from "../errors.ts";
import { appendXattrs } from "./xattr-list.ts";
import type { ByteArena } from "./byte-arena.ts";
import type { LayerFault } from "./fault.ts";
import type { Limits } from "../limits.ts";
import type { Xattr } from "./xattr-list.ts";

/** What an encoded list can hold, and the kernel too. */
const LONGEST_NAME = 255;

/** Whose attributes they are. */
export interface XattrOwner {
  readonly type: EntryType;
  readonly limits: Limits;
  readonly fault: LayerFault;
}

/**
 * Appends the extended attributes of one entry, encoded: the last of each name, without those that must not or cannot be set.
 *
 * @param records those of the pax header, in order
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_LAYER_CORRUPT for an empty name
 */
export function appendEntryXattrs(
  arena: ByteArena,
  records: readonly Xattr[],
  { type, limits, fault }: XattrOwner,
): void {
  const kept = new Map<string, Xattr>();
  for (const xattr of records) {
    const name = Buffer.from(xattr.name).toString("latin1");
    if (name === "") throw fault("ERR_LAYER_CORRUPT", "has an extended attribute without a name");
    if (!isPlaceable(name, type)) continue;
    requireWithinLimits(xattr, { limits, fault });
    kept.set(name, xattr);
  }
  const xattrs = [...kept.values()];
  if (xattrs.length > limits.xattrs) {
    const value = xattrs.length;
    const problem = `has ${value} extended attributes`;
    throw limitFault(fault, limits, { limit: "xattrs", value, problem });
  }
  const total = xattrs.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (total > limits.xattrTotalBytes) {
    const problem = `has ${total} bytes of extended attributes`;
    throw limitFault(fault, limits, { limit: "xattrTotalBytes", value: total, problem });
  }
  appendXattrs(arena, xattrs);
}

function isPlaceable(name: string, type: EntryType): boolean {
  // Attack: `overlay.redirect` and its kin steer the kernel's overlayfs, `trusted.*` other drivers of the host (rule 12).
  if (name.startsWith("trusted.") || name.startsWith("user.overlay.")) return false;
  // Linux keeps `user.*` on files and directories only (xattr(7)). A hard link may lead to either.
  const holdsUser =
    type === EntryType.file || type === EntryType.directory || type === EntryType.hardlink;
  return holdsUser || !name.startsWith("user.");
}

function requireWithinLimits(
  { name, value }: Xattr,
  { limits, fault }: { readonly limits: Limits; readonly fault: LayerFault },
): void {
  if (name.length > Math.min(limits.xattrNameBytes, LONGEST_NAME)) {
    const problem = `has an extended attribute whose name has ${name.length} bytes`;
    throw limitFault(fault, limits, { limit: "xattrNameBytes", value: name.length, problem });
  }
  if (value.length > limits.xattrValueBytes) {
    const problem = `has the extended attribute "${printable(name)}" with ${value.length} bytes`;
    throw limitFault(fault, limits, { limit: "xattrValueBytes", value: value.length, problem });
  }
}
