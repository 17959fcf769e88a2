import type { ByteArena } from "./byte-arena.ts";
import type { Limits } from "../limits.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * Appends `source[start … end)` to the arena as a clean path (see `EntryBatch`): what the name means, lexically, below the
 * root. `/a`, `./a`, `a//`, `x/../a` are all `a`; the root is empty. Bytes stay as they are: no UTF-8, no case (rule 20).
 *
 * What it does not do: follow links. Those are met in the merged tree, where a parent that is a link is resolved.
 *
 * @returns `undefined`, or what is wrong, with the arena as before: `..` above the root (CVE-2007-4559 and its kin), or a
 *     NUL, which would end the name for C code
 */
export function appendCleanPath(
  arena: ByteArena,
  source: Uint8Array,
  start: number,
  end: number,
): "ERR_PATH_ESCAPE" | "ERR_LAYER_CORRUPT" | undefined {
  arena.reserve(end - start + 1);
  const out = arena.bytes;
  const base = arena.length;
  let length = base;
  let at = start;
  while (at < end) {
    if (source[at] === SLASH) {
      at++;
      continue;
    }
    const componentAt = length === base ? length : length + 1;
    let to = componentAt;
    for (; at < end; at++) {
      const byte = source[at]!;
      if (byte === SLASH) break;
      if (byte === 0) return "ERR_LAYER_CORRUPT";
      out[to++] = byte;
    }
    const dots = countDots(out, componentAt, to);
    if (dots === 1) continue;
    if (dots === 2) {
      if (length === base) return "ERR_PATH_ESCAPE";
      length = Math.max(base, lastSlash(out, base, length));
      continue;
    }
    if (componentAt > length) out[length] = SLASH;
    length = to;
  }
  arena.length = length;
  return undefined;
}

/** A limit that a path passes, and the bytes that it has instead. */
export interface LengthProblem {
  readonly limit: "pathBytes" | "componentBytes";
  readonly value: number;
}

/** Whether a component of a clean path is longer than any Linux file system holds, or the path longer than a call takes. */
export function lengthProblem(
  path: Uint8Array,
  start: number,
  end: number,
  limits: Limits,
): LengthProblem | undefined {
  const pathBytes = end - start;
  if (pathBytes > limits.pathBytes) return { limit: "pathBytes", value: pathBytes };
  if (pathBytes <= limits.componentBytes) return undefined;
  const longest = longestComponent(path, start, end);
  return longest > limits.componentBytes ? { limit: "componentBytes", value: longest } : undefined;
}

/** 1 for `.`, 2 for `..`, else 0. */
function countDots(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== DOT || end - start > 2) return 0;
  if (end - start === 1) return 1;
  return bytes[start + 1] === DOT ? 2 : 0;
}

/** -1 where there is none in `[start, end)`. */
export function lastSlash(bytes: Uint8Array, start: number, end: number): number {
  let at = end - 1;
  while (at >= start && bytes[at] !== SLASH) at--;
  return at < start ? -1 : at;
}

function longestComponent(bytes: Uint8Array, start: number, end: number): number {
  let longest = 0;
  let componentAt = start;
  for (let at = start; at <= end; at++) {
    if (at < end && bytes[at] !== SLASH) continue;
    longest = Math.max(longest, at - componentAt);
    componentAt = at + 1;
  }
  return longest;
}
