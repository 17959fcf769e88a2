import { ByteArena } from "./byte-arena.ts";

const HEAD_BYTES = 5;

/** An extended attribute: `name` as the kernel knows it (`security.capability`), any bytes as its value. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * Extended attributes as one run of bytes: for each a u8 name length, a u32 little-endian value length, the name, the
 * value; sorted by name bytes, so that equal sets are equal bytes. No attributes are no bytes.
 */
export function encodeXattrs(xattrs: readonly Xattr[]): Uint8Array {
  const arena = new ByteArena(
    xattrs.reduce((sum, { name, value }) => sum + HEAD_BYTES + name.length + value.length, 0),
  );
  appendXattrs(arena, xattrs);
  return arena.bytes;
}

/** `encodeXattrs` without bytes of its own: those of a million entries would be garbage for the collector. */
export function appendXattrs(arena: ByteArena, xattrs: readonly Xattr[]): void {
  const sorted = xattrs.toSorted((a, b) => Buffer.compare(a.name, b.name));
  for (const { name, value } of sorted) {
    const { length } = value;
    arena.append(Uint8Array.of(name.length, length, length >>> 8, length >>> 16, length >>> 24));
    arena.append(name);
    arena.append(value);
  }
}

/** The inverse of `encodeXattrs`; names and values are views of `bytes`. */
export function decodeXattrs(bytes: Uint8Array): Xattr[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const xattrs: Xattr[] = [];
  for (let at = 0; at < view.length;) {
    const nameEnd = at + 5 + view.readUInt8(at);
    const valueEnd = nameEnd + view.readUInt32LE(at + 1);
    xattrs.push({ name: view.subarray(at + 5, nameEnd), value: view.subarray(nameEnd, valueEnd) });
    at = valueEnd;
  }
  return xattrs;
}
