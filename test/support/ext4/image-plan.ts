import { objectAt, text, type Json, type JsonObject } from "../case-kit/case-json.ts";
import { aclBytes } from "../xattr-values.ts";

/** What a random image is made from: parents and victims are drawn as numbers and taken modulo what is there. */
export interface ImagePlan {
  readonly layers: readonly { readonly compression: string; readonly items: readonly Item[] }[];
  readonly root: Attributes | undefined;
  readonly depth: number;
  readonly wide: { readonly names: number; readonly length: number };
  readonly links: number;
  readonly largeMib: number;
}

interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: string;
  readonly xattrs: JsonObject;
  readonly acl: boolean;
}

interface Named {
  readonly parent: number;
  readonly name: string;
}

type Item =
  | (Named & {
      readonly type: "file";
      readonly attributes: Attributes;
      readonly body: Body;
      readonly links: readonly Named[];
    })
  | (Named & { readonly type: "symlink"; readonly attributes: Attributes; readonly target: string })
  | (Named & {
      readonly type: "char" | "block" | "fifo";
      readonly attributes: Attributes;
      readonly device: readonly [number, number];
    })
  | (Named & { readonly type: "directory"; readonly attributes: Attributes })
  | { readonly type: "whiteout"; readonly victim: number };

type Body =
  | { readonly kind: "fill"; readonly unit: string; readonly sizeBytes: number }
  | {
      readonly kind: "pieces";
      readonly pieces: readonly { readonly unit: string | undefined; readonly sizeBytes: number }[];
    }
  | {
      readonly kind: "sparse";
      /** A hole and the data after it. */
      readonly segments: readonly (readonly [number, number])[];
      readonly tailBytes: number;
      readonly unit: string;
    };

/** Names of one directory: a path, an entry for every name of a layer. */
interface Growing {
  readonly directories: string[];
  readonly names: string[];
}

/** PATH_MAX without its NUL, and room for a name. */
const LONGEST_PARENT = 3800;
/** user::rwx user:1000:r-x group::r-- mask::r-x other::r-- (acl(5)). */
const ACL = aclBytes([
  [1, 7],
  [2, 5, 1000],
  [4, 4],
  [0x10, 5],
  [0x20, 4],
]).toString("hex");
const ACL_MODE = 0o754;

/** The `layers` of a case (testdata/README.md) whose merge meets no refusal. */
export function imageOf(plan: ImagePlan): JsonObject {
  const growing: Growing = { directories: [""], names: [] };
  const layers = plan.layers.map(({ compression, items }, index) => {
    const entries = index === 0 ? firstEntries(plan, growing) : [];
    const lower = [...growing.names];
    for (const item of items) entries.push(...itemEntries(item, growing, lower));
    if (plan.largeMib > 0) entries.push(largeFile(plan.largeMib, index));
    return { compression, entries };
  });
  return { layers };
}

function firstEntries(plan: ImagePlan, growing: Growing): Json[] {
  const entries: Json[] = [];
  if (plan.root !== undefined)
    entries.push({ type: "dir", path: "./", ...attributesOf(plan.root) });
  for (let depth = 0; depth < plan.depth; depth++) {
    growing.directories.push(Array.from({ length: depth + 1 }, () => "deep").join("/"));
  }
  const { wide, links } = plan;
  if (wide.names > 0) {
    const path = `wide/{i}${"w".repeat(wide.length)}`;
    entries.push({ type: "file", path, content: "{i}", repeat: wide.names });
  }
  if (links > 0) {
    const target = "links/target";
    entries.push({ type: "file", path: target, content: "one of many names" });
    entries.push({ type: "hardlink", path: "links/{i}", linkname: target, repeat: links });
  }
  return entries;
}

/** Alike in every layer, so that their runs lie between each other. */
function largeFile(sizeMib: number, layer: number): Json {
  const content = filled(`large file of layer ${layer}, `, sizeMib * 2 ** 20);
  return { type: "file", path: `large-${layer}`, content };
}

function itemEntries(item: Item, growing: Growing, lower: readonly string[]): readonly Json[] {
  if (item.type === "whiteout") return whiteoutEntries(item.victim, lower);
  const { attributes } = item;
  // The letter keeps kinds apart: what is a directory once is never a file.
  const path = childPath(item, item.type.charAt(0), growing);
  const entry = { type: item.type, ...pathOf("path", path), ...attributesOf(attributes) };
  if (item.type === "file") {
    return fileEntries(item, { path, entry: { ...entry, ...aclOf(attributes, false) } }, growing);
  }
  growing.names.push(path);
  if (item.type === "directory") {
    if (!growing.directories.includes(path)) growing.directories.push(path);
    return [{ ...entry, type: "dir", ...aclOf(attributes, true) }];
  }
  // Linux keeps user.* on files and directories only.
  const special = { ...entry, xattrs: {} };
  if (item.type === "symlink") return [{ ...special, ...pathOf("linkname", item.target) }];
  const [devmajor, devminor] = item.device;
  return [item.type === "fifo" ? special : { ...special, devmajor, devminor }];
}

function fileEntries(
  item: Extract<Item, { readonly type: "file" }>,
  { path, entry }: { readonly path: string; readonly entry: JsonObject },
  growing: Growing,
): readonly Json[] {
  growing.names.push(path);
  const links = item.links.map((named) => {
    const link = childPath(named, "f", growing);
    growing.names.push(link);
    return link;
  });
  // A hard link's entry has the attributes of its inode.
  const hardlink = { ...entry, type: "hardlink", ...pathOf("linkname", path) };
  const others = links.filter((link) => link !== path);
  return [
    withBody(entry, item.body),
    ...others.map((link) => Object.assign({}, hardlink, pathOf("path", link))),
  ];
}

function whiteoutEntries(victim: number, lower: readonly string[]): readonly Json[] {
  const path = lower[victim % Math.max(lower.length, 1)];
  if (path === undefined) return [];
  const at = path.lastIndexOf("/") + 1;
  // The marker is a name too: 255 bytes less `.wh.`.
  if (path.length - at > 251) return [];
  return [{ type: "file", ...pathOf("path", `${path.slice(0, at)}.wh.${path.slice(at)}`) }];
}

function childPath(named: Named, letter: string, { directories }: Growing): string {
  const parent = directories[named.parent % directories.length] ?? "";
  const name = `${letter}${named.name}`;
  return parent === "" || parent.length > LONGEST_PARENT ? name : `${parent}/${name}`;
}

function pathOf(key: string, latin1: string): JsonObject {
  return { [`${key}B64`]: Buffer.from(latin1, "latin1").toString("base64") };
}

function attributesOf({ mode, uid, gid, mtime, xattrs }: Attributes): JsonObject {
  const pax = {
    ...(uid > 0o777_777 ? { uid: String(uid) } : {}),
    ...(gid > 0o777_777 ? { gid: String(gid) } : {}),
  };
  return {
    mode: mode.toString(8),
    uid: uid > 0o777_777 ? "0" : uid.toString(8),
    gid: gid > 0o777_777 ? "0" : gid.toString(8),
    mtime,
    xattrs,
    pax,
  };
}

function aclOf({ acl, xattrs }: Attributes, isDirectory: boolean): JsonObject {
  if (!acl) return {};
  const access = { "system.posix_acl_access": { hex: ACL } };
  const inherited = isDirectory ? { "system.posix_acl_default": { hex: ACL } } : {};
  // With a large value they would not fit.
  const others = "user.large" in xattrs ? {} : xattrs;
  return { mode: ACL_MODE.toString(8), xattrs: { ...others, ...access, ...inherited } };
}

function withBody(entry: JsonObject, body: Body): JsonObject {
  if (body.kind === "fill") return { ...entry, content: filled(body.unit, body.sizeBytes) };
  if (body.kind === "pieces") {
    return {
      ...entry,
      content: { join: body.pieces.map((piece) => filled(piece.unit ?? "\0", piece.sizeBytes)) },
    };
  }
  return sparseEntry(entry, body);
}

/** About this many bytes: whole units. */
function filled(unit: string, sizeBytes: number): Json {
  return { fill: unit, count: Math.ceil(sizeBytes / unit.length) };
}

/** GNU sparse format 1.0: the map stands in front of the data, padded to a block (GNU tar manual, "PAX Format, Version 1.0"). */
function sparseEntry(
  entry: JsonObject,
  { segments, tailBytes, unit }: Extract<Body, { readonly kind: "sparse" }>,
): JsonObject {
  let end = 0;
  const map: number[] = [];
  const data: Json[] = [];
  for (const [holeBytes, dataBytes] of segments) {
    const sizeBytes = Math.ceil((dataBytes + 1) / unit.length) * unit.length;
    map.push(end + holeBytes, sizeBytes);
    data.push(filled(unit, sizeBytes));
    end += holeBytes + sizeBytes;
  }
  const realsize = String(end + tailBytes);
  const header = `${[segments.length, ...map].join("\n")}\n`;
  const padding = "\0".repeat((512 - (header.length % 512)) % 512);
  const path = Buffer.from(text(entry["pathB64"] ?? ""), "base64");
  return {
    ...entry,
    // The stated name is a stand-in; the real one is in a record.
    pathB64: Buffer.from(`GNUSparseFile.0/${path.length}`).toString("base64"),
    pax: {
      ...objectAt(entry, "pax"),
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": { b64: path.toString("base64") },
      "GNU.sparse.realsize": realsize,
    },
    content: { join: [header + padding, ...data] },
  };
}
