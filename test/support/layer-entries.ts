import { EntryType, NO_BODY, type EntryBatch } from "../../src/layer/entry-batch.ts";
import { encodeXattrs } from "../../src/layer/xattr-list.ts";

/** An entry of a layer as tests write it. Text is latin1: one character, one byte. */
export interface LayerEntry {
  readonly type: keyof typeof EntryType;
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly size: number;
  readonly body: number;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: Readonly<Record<string, string>>;
}
type Details = Partial<Omit<LayerEntry, "type" | "path">>;

export function entry(type: LayerEntry["type"], path: string, details: Details = {}): LayerEntry {
  return {
    type,
    path,
    mode: type === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds: 1_600_000_000,
    mtimeNanoseconds: 0,
    size: 0,
    body: NO_BODY,
    link: "",
    major: 0,
    minor: 0,
    xattrs: {},
    ...details,
  };
}

/** @param body names the contents; its size is made up from it, so that other contents are other rows */
export const file = (path: string, body: number, details: Details = {}): LayerEntry =>
  entry("file", path, { body, size: 1000 + body, ...details });
export const directory = (path: string, details: Details = {}): LayerEntry =>
  entry("directory", path, details);
export const symlink = (path: string, link: string, details: Details = {}): LayerEntry =>
  entry("symlink", path, { mode: 0o777, link, ...details });
export const hardlink = (path: string, link: string, details: Details = {}): LayerEntry =>
  entry("hardlink", path, { link, ...details });
export const whiteout = (path: string): LayerEntry => entry("whiteout", path);
export const opaque = (path: string): LayerEntry => entry("opaque", path);

/** The entries as a decoder would hand them over. */
export function entryBatch(entries: readonly LayerEntry[]): EntryBatch {
  const parts: Uint8Array[] = [];
  let length = 0;
  const slice = (part: Uint8Array): [number, number] => {
    parts.push(part);
    length += part.length;
    return [length - part.length, part.length];
  };
  const slices = entries.map(({ path, link, xattrs }) => ({
    path: slice(Buffer.from(path, "latin1")),
    link: slice(Buffer.from(link, "latin1")),
    xattrs: slice(xattrBytes(xattrs)),
  }));
  return {
    count: entries.length,
    types: Uint8Array.from(entries, ({ type }) => EntryType[type]),
    modes: Uint16Array.from(entries, ({ mode }) => mode),
    uids: Uint32Array.from(entries, ({ uid }) => uid),
    gids: Uint32Array.from(entries, ({ gid }) => gid),
    mtimeSeconds: Float64Array.from(entries, ({ mtimeSeconds }) => mtimeSeconds),
    mtimeNanoseconds: Uint32Array.from(entries, ({ mtimeNanoseconds }) => mtimeNanoseconds),
    sizes: Float64Array.from(entries, ({ size }) => size),
    bodies: Float64Array.from(entries, ({ body }) => body),
    deviceMajors: Uint32Array.from(entries, ({ major }) => major),
    deviceMinors: Uint32Array.from(entries, ({ minor }) => minor),
    pathOffsets: Uint32Array.from(slices, ({ path }) => path[0]),
    pathLengths: Uint32Array.from(slices, ({ path }) => path[1]),
    linkOffsets: Uint32Array.from(slices, ({ link }) => link[0]),
    linkLengths: Uint32Array.from(slices, ({ link }) => link[1]),
    xattrOffsets: Uint32Array.from(slices, ({ xattrs }) => xattrs[0]),
    xattrLengths: Uint32Array.from(slices, ({ xattrs }) => xattrs[1]),
    bytes: Buffer.concat(parts),
  };
}

function xattrBytes(xattrs: LayerEntry["xattrs"]): Uint8Array {
  return encodeXattrs(
    Object.entries(xattrs).map(([name, value]) => ({
      name: Buffer.from(name, "latin1"),
      value: Buffer.from(value, "latin1"),
    })),
  );
}
