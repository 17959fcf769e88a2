import { isKnownXattr, type StoredXattr } from "../xattrs.ts";

/** Attributes with an index, a name, or a hash that they cannot have. */
export function* storedXattrProblems(
  entries: readonly StoredXattr[],
  options: { readonly zeroHash: boolean },
): Generator<string, void, undefined> {
  for (const entry of entries) {
    if (!isKnownXattr(entry)) yield `it has an attribute of no known kind (${entry.index})`;
    const known = [xattrHash(entry, false), xattrHash(entry, true)];
    if (!known.includes(entry.hash) && !(options.zeroHash && entry.hash === 0)) {
      yield "it has an attribute with a wrong hash";
    }
  }
}

/**
 * Over the name's bytes, then the words of the zero-padded value (kernel: `ext4_xattr_hash_entry`).
 * @param signed as kernels before 6.6 took names
 */
function xattrHash({ name, value }: StoredXattr, signed: boolean): number {
  let hash = 0;
  for (const byte of name) {
    const taken = signed && byte > 127 ? byte - 256 : byte;
    hash = (hash << 5) ^ (hash >>> 27) ^ taken;
  }
  const padded = Buffer.alloc((value.length + 3) & ~3);
  value.copy(padded);
  for (let at = 0; at < padded.length; at += 4) {
    hash = (hash << 16) ^ (hash >>> 16) ^ padded.readInt32LE(at);
  }
  return hash >>> 0;
}

/** Over the hashes of a block's entries; 0 when one of them has none (kernel: `ext4_xattr_rehash`). */
export function xattrBlockHash(entries: readonly StoredXattr[]): number {
  let hash = 0;
  for (const entry of entries) {
    if (entry.hash === 0) return 0;
    hash = (hash << 16) ^ (hash >>> 16) ^ entry.hash;
  }
  return hash >>> 0;
}

/** By index, then by the length of the name, then by its bytes: as the kernel searches. */
export function isSorted(entries: readonly StoredXattr[]): boolean {
  return entries.every((entry, at) => {
    const before = entries[at - 1];
    if (before === undefined) return true;
    const order =
      before.index - entry.index ||
      before.name.length - entry.name.length ||
      before.name.compare(entry.name);
    return order < 0;
  });
}
