import { bodyBytes, nameBytes, rawBytes, type CaseContext } from "./case-bytes.ts";
import {
  isList,
  isObject,
  listAt,
  objectAt,
  text,
  whole,
  type Json,
  type JsonObject,
} from "./case-json.ts";

/**
 * The raw tar writer of the case kit: it writes 512-byte blocks itself, so that a case can ask for any malformed
 * archive, and shares no code with `src/`.
 */
const BLOCK = 512;
const TYPEFLAGS: ReadonlyMap<string, string> = new Map([
  ["file", "0"],
  ["oldfile", "\0"],
  ["hardlink", "1"],
  ["symlink", "2"],
  ["char", "3"],
  ["block", "4"],
  ["dir", "5"],
  ["fifo", "6"],
  ["contiguous", "7"],
  ["pax", "x"],
  ["paxglobal", "g"],
  ["gnulongname", "L"],
  ["gnulonglink", "K"],
  ["gnusparse", "S"],
]);
/** Offset and width of each header field (POSIX.1-1988 ustar). */
const FIELDS: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["name", [0, 100]],
  ["mode", [100, 8]],
  ["uid", [108, 8]],
  ["gid", [116, 8]],
  ["size", [124, 12]],
  ["mtime", [136, 12]],
  ["chksum", [148, 8]],
  ["typeflag", [156, 1]],
  ["linkname", [157, 100]],
  ["magic", [257, 6]],
  ["version", [263, 2]],
  ["uname", [265, 32]],
  ["gname", [297, 32]],
  ["devmajor", [329, 8]],
  ["devminor", [337, 8]],
  ["prefix", [345, 155]],
]);
const DEFAULT_MTIME = 1_700_000_000;

interface HeaderParts {
  readonly name: Buffer;
  readonly typeflag: string;
  readonly sizeBytes: number;
  readonly linkname: Buffer;
  readonly format: string;
  readonly prefix: Buffer;
}

export function tarArchive(layer: JsonObject, context: CaseContext): Buffer {
  const parts: Buffer[] = [];
  for (const entry of listAt(layer, "entries").filter(isObject)) {
    if (entry["repeat"] === undefined) parts.push(tarEntry(entry, context));
    else {
      for (let i = 0; i < Number(entry["repeat"]); i++) {
        parts.push(tarEntry(entry, { ...context, repetition: i }));
      }
    }
  }
  const tail = objectAt(layer, "tail");
  parts.push(Buffer.alloc(BLOCK * Number(tail["eof"] ?? 2)));
  if (isObject(tail["appendArchive"])) parts.push(tarArchive(tail["appendArchive"], context));
  if (tail["append"] !== undefined) parts.push(rawBytes(tail["append"], context));
  let archive = Buffer.concat(parts);
  if (tail["truncate"] !== undefined) {
    archive = archive.subarray(0, archive.length - Number(tail["truncate"]));
  }
  if (tail["truncateTo"] !== undefined) archive = archive.subarray(0, Number(tail["truncateTo"]));
  return archive;
}

/** Every block of one entry: its extension headers, its header, its body and the padding. */
function tarEntry(entry: JsonObject, context: CaseContext): Buffer {
  if (entry["bytes"] !== undefined) return rawBytes(entry["bytes"], context);
  if (entry["blocks"] !== undefined) return Buffer.alloc(BLOCK * Number(entry["blocks"]));
  const type = text(entry["type"] ?? "file");
  const typeflag = TYPEFLAGS.get(type) ?? type;
  const path = nameBytes(entry, "path", context);
  if (typeflag === "x" || typeflag === "g")
    return extensionEntry(entry, { typeflag, path, context });
  const body = bodyBytes(entry, context);
  const names = splitNames(entry, { path, context });
  const head = headerBlock(
    { ...names, typeflag, sizeBytes: body.length },
    { entry, context, plain: false },
  );
  const extra =
    entry["afterHeader"] === undefined ? Buffer.alloc(0) : rawBytes(entry["afterHeader"], context);
  const stored = entry["noPad"] === true ? body : padded(body);
  return Buffer.concat([...names.before, head, extra, stored]);
}

function extensionEntry(
  entry: JsonObject,
  parts: { readonly typeflag: string; readonly path: Buffer; readonly context: CaseContext },
): Buffer {
  const { typeflag, path, context } = parts;
  const body =
    entry["pax"] === undefined ? bodyBytes(entry, context) : paxBody(pairs(entry["pax"]), context);
  const name = path.length > 0 ? path : Buffer.from("PaxHeaders/x");
  const header = headerBlock(
    { ...plainParts(name, typeflag, body.length), format: "pax" },
    { entry, context, plain: false },
  );
  return Buffer.concat([header, padded(body)]);
}

/** Puts long names where the entry's format has room for them; `before` are the extension headers that this takes. */
function splitNames(
  entry: JsonObject,
  { path, context }: { readonly path: Buffer; readonly context: CaseContext },
): { name: Buffer; linkname: Buffer; prefix: Buffer; format: string; before: Buffer[] } {
  const format = text(entry["format"] ?? "ustar");
  const linkname = nameBytes(entry, "linkname", context);
  const records = entryRecords(entry);
  const before: Buffer[] = [];
  const names = { name: path, linkname, prefix: Buffer.alloc(0), format, before };
  if (format === "gnu") {
    if (path.length > 100) before.push(gnuLong("L", path, { entry, context }));
    if (linkname.length > 100) before.push(gnuLong("K", linkname, { entry, context }));
    Object.assign(names, { name: path.subarray(0, 100), linkname: linkname.subarray(0, 100) });
  } else if (format === "star") {
    Object.assign(names, splitUstar(path, 131) ?? { name: path.subarray(0, 100) });
  } else if (format !== "v7") Object.assign(names, posixNames(names, records));
  const pax = paxRecords(entry, records, context);
  if (pax !== undefined) {
    const shortName = names.name.subarray(Math.max(0, names.name.length - 80)).toString("latin1");
    const name = Buffer.from(`PaxHeaders.0/${shortName.replace(/^\/+/, "")}`, "latin1");
    const parts = { ...plainParts(name, "x", pax.length), format: "pax" };
    before.push(headerBlock(parts, { entry, context, plain: true }), padded(pax));
  }
  return names;
}

type PaxRecord = readonly [Json, Json];

function entryRecords(entry: JsonObject): PaxRecord[] {
  const records: PaxRecord[] = [];
  const { mtime } = entry;
  if (typeof mtime === "string" || (typeof mtime === "number" && !Number.isInteger(mtime))) {
    records.push(["mtime", String(mtime)]);
  }
  for (const [name, value] of Object.entries(objectAt(entry, "xattrs"))) {
    records.push([`SCHILY.xattr.${name}`, value]);
  }
  return [...records, ...pairs(entry["pax"] ?? {})];
}

/** Splits a ustar name into prefix and name; what does not fit becomes a pax record, put in front. */
function posixNames(
  { name: path, linkname, format }: { name: Buffer; linkname: Buffer; format: string },
  records: PaxRecord[],
): { name?: Buffer; prefix?: Buffer; linkname?: Buffer } {
  const keys = new Set(records.map(([key]) => key));
  const change: { name?: Buffer; prefix?: Buffer; linkname?: Buffer } = {};
  if (path.length > 100 && !keys.has("path")) {
    const split = format === "ustar" ? splitUstar(path, 155) : undefined;
    if (split === undefined) {
      records.unshift(["path", { b64: path.toString("base64") }]);
      change.name = path.subarray(0, 100);
    } else Object.assign(change, split);
  }
  if (linkname.length > 100 && !keys.has("linkpath")) {
    records.unshift(["linkpath", { b64: linkname.toString("base64") }]);
    change.linkname = linkname.subarray(0, 100);
  }
  return change;
}

function paxRecords(
  entry: JsonObject,
  records: readonly PaxRecord[],
  context: CaseContext,
): Buffer | undefined {
  if (entry["paxRaw"] !== undefined) return rawBytes(entry["paxRaw"], context);
  return records.length > 0 ? paxBody(records, context) : undefined;
}

function gnuLong(
  typeflag: string,
  name: Buffer,
  { entry, context }: { readonly entry: JsonObject; readonly context: CaseContext },
): Buffer {
  const body = Buffer.concat([name, Buffer.alloc(1)]);
  const parts = {
    ...plainParts(Buffer.from("././@LongLink"), typeflag, body.length),
    format: "gnu",
  };
  return Buffer.concat([headerBlock(parts, { entry, context, plain: true }), padded(body)]);
}

function plainParts(
  name: Buffer,
  typeflag: string,
  sizeBytes: number,
): Omit<HeaderParts, "format"> {
  return { name, typeflag, sizeBytes, linkname: Buffer.alloc(0), prefix: Buffer.alloc(0) };
}

/** One header block. `plain`: an auxiliary header (pax, GNU long name) that takes no override of the entry. */
function headerBlock(
  parts: HeaderParts,
  options: { readonly entry: JsonObject; readonly context: CaseContext; readonly plain: boolean },
): Buffer {
  const { context } = options;
  const entry = options.plain ? {} : options.entry;
  const block = Buffer.alloc(BLOCK);
  const put = (field: string, data: Buffer): void => {
    const [start, width] = FIELDS.get(field) ?? [0, 0];
    block.fill(0, start, start + width);
    data.copy(block, start, 0, width);
  };
  const mtime = entry["mtime"] ?? DEFAULT_MTIME;
  put("name", parts.name);
  put("mode", octal(whole(entry["mode"], parts.typeflag === "5" ? 0o755 : 0o644), 8));
  put("uid", octal(whole(entry["uid"], 0), 8));
  put("gid", octal(whole(entry["gid"], 0), 8));
  put("size", octal(BigInt(parts.sizeBytes), 12));
  put("mtime", octal(typeof mtime === "bigint" ? mtime : BigInt(Math.trunc(Number(mtime))), 12));
  put("typeflag", Buffer.from(parts.typeflag, "latin1"));
  put("linkname", parts.linkname);
  putFormat(block, put, { parts, entry, context });
  const overrides = objectAt(entry, "raw");
  for (const [field, spec] of Object.entries(overrides)) {
    const width = FIELDS.get(field)?.[1];
    if (field !== "chksum" && width !== undefined) put(field, fieldOverride(spec, width, context));
  }
  for (const [offset, spec] of Object.entries(objectAt(overrides, "at"))) {
    rawBytes(spec, context).copy(block, Number(offset));
  }
  putChecksum(block, put, { spec: overrides["chksum"], context });
  return block;
}

type Put = (field: string, data: Buffer) => void;

function putFormat(
  block: Buffer,
  put: Put,
  options: {
    readonly parts: HeaderParts;
    readonly entry: JsonObject;
    readonly context: CaseContext;
  },
): void {
  const { parts, entry, context } = options;
  const { format, prefix, typeflag } = parts;
  if (format === "v7") return;
  const posix = format === "ustar" || format === "pax";
  put(
    "magic",
    Buffer.from(format === "gnu" ? "ustar " : posix || format === "star" ? "ustar\0" : ""),
  );
  put("version", Buffer.from(format === "gnu" ? " \0" : posix || format === "star" ? "00" : ""));
  if (format === "star") block.write("tar\0", 508, "latin1");
  put("uname", rawBytes(entry["uname"] ?? "", context));
  put("gname", rawBytes(entry["gname"] ?? "", context));
  const device = typeflag === "3" || typeflag === "4";
  if (device || posix) {
    put("devmajor", octal(device ? whole(entry["devmajor"], 0) : 0n, 8));
    put("devminor", octal(device ? whole(entry["devminor"], 0) : 0n, 8));
  }
  if (posix) put("prefix", prefix);
  else if (format === "star") prefix.copy(block, 345, 0, 131);
}

function putChecksum(
  block: Buffer,
  put: Put,
  { spec, context }: { readonly spec: Json | undefined; readonly context: CaseContext },
): void {
  block.fill(" ", 148, 156);
  let total = block.reduce((sum, byte) => sum + byte, 0);
  // Historic tars sum signed bytes.
  if (spec === "signed")
    total = block.reduce((sum, byte) => sum + (byte > 127 ? byte - 256 : byte), 0);
  if (spec === "bad") total = (total + 1) % 0o777777;
  block.write(`${total.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  if (spec !== undefined && spec !== "bad" && spec !== "signed") {
    put("chksum", fieldOverride(spec, 8, context));
  }
}

function fieldOverride(spec: Json, width: number, context: CaseContext): Buffer {
  if (isObject(spec) && spec["octal"] !== undefined) return octal(whole(spec["octal"], 0), width);
  if (isObject(spec) && spec["base256"] !== undefined) {
    return base256(whole(spec["base256"], 0), width);
  }
  if (typeof spec === "number" || typeof spec === "bigint") return octal(whole(spec, 0), width);
  return rawBytes(spec, context);
}

/** Octal with a NUL, or base-256 when it does not fit or is negative (GNU's extension). */
function octal(value: bigint, width: number): Buffer {
  if (value < 0n || value >= 8n ** BigInt(width - 1)) return base256(value, width);
  return Buffer.from(`${value.toString(8).padStart(width - 1, "0")}\0`, "latin1");
}

function base256(value: bigint, width: number): Buffer {
  const hex = BigInt.asUintN(8 * width, value)
    .toString(16)
    .padStart(2 * width, "0");
  const data = Buffer.from(hex, "hex");
  data[0] = (data[0] ?? 0) | 0x80;
  return data;
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

function paxBody(records: readonly PaxRecord[], context: CaseContext): Buffer {
  return Buffer.concat(
    records.map(([key, value]) => paxRecord(rawBytes(key, context), rawBytes(value, context))),
  );
}

function paxRecord(key: Buffer, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(" "), key, Buffer.from("="), value, Buffer.from("\n")]);
  let length = body.length;
  while (String(length).length + body.length !== length)
    length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function splitUstar(name: Buffer, limit: number): { name: Buffer; prefix: Buffer } | undefined {
  if (name.length <= 100) return { name, prefix: Buffer.alloc(0) };
  for (let cut = Math.min(limit, name.length - 1); cut > 0; cut--) {
    if (name[cut] === 0x2f && name.length - cut - 1 <= 100) {
      return { name: name.subarray(cut + 1), prefix: name.subarray(0, cut) };
    }
  }
  return undefined;
}

function pairs(pax: Json): PaxRecord[] {
  if (isObject(pax)) return Object.entries(pax);
  if (!isList(pax)) return [];
  return pax.filter(isList).map(([key = "", value = ""]) => [key, value] as const);
}
