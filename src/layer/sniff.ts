export type Compression = "gzip" | "zstd" | "none";

/** As many first bytes decide it, or all where the layer is shorter. */
export const SNIFF_BYTES = 4;

/**
 * What the bytes say, whatever the media type says: labels lie in the field, and docker goes by the bytes as well.
 * A leading skippable frame (RFC 8878 §3.1.2; zstd:chunked, pzstd) is zstd too.
 */
export function sniffCompression(head: Uint8Array): Compression {
  const [first, second, third, fourth] = head;
  if (first === 0x1f && second === 0x8b) return "gzip";
  if (first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd) return "zstd";
  const skippable = first !== undefined && (first & 0xf0) === 0x50;
  return skippable && second === 0x2a && third === 0x4d && fourth === 0x18 ? "zstd" : "none";
}
