import { lastSlash } from "./clean-path.ts";

const PREFIX = Buffer.from(".wh.");
const OPAQUE = Buffer.from(".wh..wh..opq");
const AUFS_PREFIX = Buffer.from(".wh..wh.");
const DOT = 0x2e;

/**
 * What the name of an entry makes of it (image-spec layer.md, "Whiteouts"; rules 6 to 11):
 * - `object`: an ordinary name;
 * - `whiteout`: hides the name without its `.wh.`;
 * - `opaque`: hides the lower children of the directory it lies in;
 * - `aufs`: aufs' own files at the root of a layer, which moby leaves out too;
 * - `names its directory`, `names its parent`: `.wh.`, `.wh..`, `.wh...`. Attack: umoci 0.4.7 deleted the directory that
 *   held the root.
 */
export type NameKind =
  | "object"
  | "whiteout"
  | "opaque"
  | "aufs"
  | "names its directory"
  | "names its parent";

/** How many bytes stand before the hidden name. */
export const WHITEOUT_PREFIX_BYTES: number = PREFIX.length;

/** @param path bytes that hold a clean path at `[start, end)` */
export function kindOfName(path: Uint8Array, start: number, end: number): NameKind {
  const nameAt = lastNameStart(path, start, end);
  if (has(AUFS_PREFIX, path, start, end) && !isOpaque(path, start, end)) return "aufs";
  if (!has(PREFIX, path, nameAt, end)) return "object";
  if (isOpaque(path, nameAt, end)) return "opaque";
  const hiddenAt = nameAt + PREFIX.length;
  const hiddenBytes = end - hiddenAt;
  if (hiddenBytes === 0) return "names its directory";
  if (path[hiddenAt] !== DOT || hiddenBytes > 2) return "whiteout";
  if (hiddenBytes === 1) return "names its directory";
  return path[hiddenAt + 1] === DOT ? "names its parent" : "whiteout";
}

/** Where the last component begins. */
export function lastNameStart(path: Uint8Array, start: number, end: number): number {
  const slash = lastSlash(path, start, end);
  return slash < 0 ? start : slash + 1;
}

function isOpaque(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === OPAQUE.length && has(OPAQUE, bytes, start, end);
}

function has(prefix: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < prefix.length) return false;
  for (let at = 0; at < prefix.length; at++) if (bytes[start + at] !== prefix[at]) return false;
  return true;
}
