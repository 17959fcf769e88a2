import { mutateBytes } from "../mutate-bytes.ts";
import type { Random } from "../random.ts";
import { paxRecord } from "./tar-blocks.ts";

const KEYS = [
  "path",
  "linkpath",
  "size",
  "uid",
  "gid",
  "uname",
  "mtime",
  "atime",
  "hdrcharset",
  "SCHILY.xattr.user.a",
  "SCHILY.xattr.security.capability",
  "SCHILY.xattr.trusted.overlay.opaque",
  "SCHILY.xattr.",
  "SCHILY.xattr.user.=",
  "LIBARCHIVE.xattr.user.b",
  "GNU.sparse.major",
  "GNU.sparse.minor",
  "GNU.sparse.name",
  "GNU.sparse.realsize",
  "GNU.sparse.size",
  "GNU.sparse.numblocks",
  "GNU.sparse.offset",
  "GNU.sparse.numbytes",
  "GNU.sparse.map",
] as const;

const VALUES = [
  "",
  "0",
  "1",
  "2",
  "512",
  "1024",
  "-1",
  "4294967295",
  "4294967296",
  "9007199254740993",
  "9223372036854775807",
  "18446744073709551616",
  "1.5",
  "-1.999999999999",
  "1e3",
  "0x10",
  " 7",
  "00000000000000000000000000000000000007",
  "0,1",
  "0,512,1024,0",
  "0,10,5,10",
  "..",
  "../x",
  "/",
  ".",
  "a/../../b",
  "a//b/./c",
  ".wh.a",
  "a/.wh..wh..opq",
  ".wh..wh.plnk/x",
  ".wh.",
  "a\0b",
  "a\nb",
  "\xff\xfe",
  "n".repeat(256),
  `${"d/".repeat(90)}f`,
  "long/".repeat(850),
] as const;

export const PAX_WORDS: readonly Uint8Array[] = [
  ...KEYS.map((key) => Buffer.from(`${key}=`, "latin1")),
  ...VALUES.map((value) => Buffer.from(value, "latin1")),
];

export function randomRecord(random: Random): Buffer {
  return paxRecord(random.pick(KEYS), random.pick(VALUES));
}

/** Records put in, taken out, repeated, and bytes changed in them: by either way the lengths may stay right. */
export function mutatePax(body: Uint8Array, random: Random, donor: Uint8Array): Buffer {
  if (random.oneIn(3)) return mutateBytes(body, random, { words: PAX_WORDS, donor });
  const records = recordsOf(body);
  for (let left = 1 + random.skewedBelow(4); left > 0; left--) {
    const at = random.below(records.length + 1);
    const [key, value] = records[at] ?? ["path", "a"];
    switch (random.below(6)) {
      case 0:
        records.splice(at, 1);
        break;
      case 1:
        records.splice(random.below(records.length + 1), 0, [key, value]);
        break;
      case 2:
        records[at] = [key, random.pick(VALUES)];
        break;
      case 3:
        records[at] = [key, mutateBytes(Buffer.from(value, "latin1"), random).toString("latin1")];
        break;
      case 4:
        records[at] = [mutateBytes(Buffer.from(key, "latin1"), random).toString("latin1"), value];
        break;
      default:
        records.splice(at, 0, [random.pick(KEYS), random.pick(VALUES)]);
    }
  }
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
}

function recordsOf(body: Uint8Array): [string, string][] {
  const text = Buffer.from(body).toString("latin1");
  const records: [string, string][] = [];
  for (let at = 0; at < text.length;) {
    const [, length = ""] = /^(\d+) /.exec(text.slice(at, at + 12)) ?? [];
    const end = at + Number(length);
    const record = text.slice(at + length.length + 1, end - 1);
    const equals = record.indexOf("=");
    if (length === "" || end <= at || equals < 0) break;
    records.push([record.slice(0, equals), record.slice(equals + 1)]);
    at = end;
  }
  return records;
}
