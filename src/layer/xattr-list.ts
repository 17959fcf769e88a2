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
  const sorted = xattrs.toSorted((a, b) => Buffer.compare(a.name, b.name));
  const parts = sorted.flatMap(({ name, value }) => {
    const head = Buffer.alloc(5);
    head.writeUInt8(name.length, 0);
    head.writeUInt32LE(value.length, 1);
    return [head, name, value];
  });
  return Buffer.concat(parts);
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
