import { bodyBytes, nameBytes, rawBytes, type CaseContext } from "./case-bytes.ts";
import { BLOCK, headerBlock, plainParts } from "./case-header.ts";
import {
  isList,
  isObject,
  listAt,
  objectAt,
  text,
  type Json,
  type JsonObject,
} from "./case-json.ts";

/**
 * The raw tar writer of the case kit: it writes 512-byte blocks itself, so that a case can ask for any malformed
 * archive, and shares no code with `src/`.
 */
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
