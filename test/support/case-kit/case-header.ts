import { rawBytes, type CaseContext } from "./case-bytes.ts";
import { isObject, objectAt, whole, type Json, type JsonObject } from "./case-json.ts";

/* One header block of the case kit's archives, any field of it as a case wants it. */

export const BLOCK = 512;
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

export interface HeaderParts {
  readonly name: Buffer;
  readonly typeflag: string;
  readonly sizeBytes: number;
  readonly linkname: Buffer;
  readonly format: string;
  readonly prefix: Buffer;
}

/** Of an auxiliary header (pax, GNU long name). */
export function plainParts(
  name: Buffer,
  typeflag: string,
  sizeBytes: number,
): Omit<HeaderParts, "format"> {
  return { name, typeflag, sizeBytes, linkname: Buffer.alloc(0), prefix: Buffer.alloc(0) };
}

/** One header block. `plain`: an auxiliary header (pax, GNU long name) that takes no override of the entry. */
export function headerBlock(
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
