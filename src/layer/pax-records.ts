import { parseDecimal } from "./tar-numbers.ts";
import type { Xattr } from "./xattr-list.ts";

const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
/** `5 a=\n`: nothing shorter is a record. */
const SHORTEST_RECORD = 5;

/** The keys that mean something here. Vendor keys, `comment`, `hdrcharset` and the like do not. */
export const PaxKey = {
  path: 0,
  linkpath: 1,
  uname: 2,
  gname: 3,
  sparseName: 4,
  size: 5,
  uid: 6,
  gid: 7,
  mtime: 8,
  atime: 9,
  ctime: 10,
  sparseMajor: 11,
  sparseMinor: 12,
  sparseSize: 13,
  sparseRealSize: 14,
  sparseBlocks: 15,
  sparseMap: 16,
} as const;
export type PaxKey = (typeof PaxKey)[keyof typeof PaxKey];

/** In the order of `PaxKey`. */
const NAMES = [
  "path",
  "linkpath",
  "uname",
  "gname",
  "GNU.sparse.name",
  "size",
  "uid",
  "gid",
  "mtime",
  "atime",
  "ctime",
  "GNU.sparse.major",
  "GNU.sparse.minor",
  "GNU.sparse.size",
  "GNU.sparse.realsize",
  "GNU.sparse.numblocks",
  "GNU.sparse.map",
].map((name) => Buffer.from(name));
const XATTR_PREFIX = Buffer.from("SCHILY.xattr.");
const SPARSE_OFFSET = Buffer.from("GNU.sparse.offset");
const SPARSE_LENGTH = Buffer.from("GNU.sparse.numbytes");
/** Keys whose values name things: a NUL would cut them short for C code. */
const isName = (key: number): boolean => key <= PaxKey.sparseName;

/**
 * The records of one pax extended header (POSIX pax, "pax Extended Header"): `length key=value\n`, the length in decimal
 * and of the whole record. Only where the values lie is kept; a repeated key counts with its last value.
 */
export class PaxRecords {
  /** The bytes last parsed: everything here points into them. */
  bytes: Uint8Array = new Uint8Array(0);
  readonly #starts = new Int32Array(NAMES.length);
  readonly #ends = new Int32Array(NAMES.length);
  /** In the order of the records, names repeated where the records repeat. Views. */
  xattrs: Xattr[] = [];
  /** GNU sparse 0.0: offset and length in turn, each a record of its own. NaN for what is no number. */
  sparsePairs: number[] = [];

  clear(): void {
    this.#starts.fill(0);
    this.#ends.fill(0);
    if (this.xattrs.length > 0) this.xattrs = [];
    if (this.sparsePairs.length > 0) this.sparsePairs = [];
  }

  /** Whether there is a value; an empty one counts as none. */
  has(key: PaxKey): boolean {
    return this.#ends[key]! > this.#starts[key]!;
  }

  start(key: PaxKey): number {
    return this.#starts[key]!;
  }

  end(key: PaxKey): number {
    return this.#ends[key]!;
  }

  /** NaN for what is no number. */
  number(key: PaxKey): number {
    return parseDecimal(this.bytes, this.#starts[key]!, this.#ends[key]!);
  }

  /** For versions and the like. */
  text(key: PaxKey): string {
    const value = this.bytes.subarray(this.#starts[key], this.#ends[key]);
    return Buffer.from(value).toString("latin1");
  }

  /** Replaces all records. @returns what is wrong with the first malformed one, or `undefined` */
  parse(bytes: Uint8Array): string | undefined {
    this.clear();
    this.bytes = bytes;
    for (let at = 0; at < bytes.length;) {
      let keyAt = bytes[at] === PLUS ? at + 1 : at;
      let length = 0;
      const digitsAt = keyAt;
      for (; keyAt < bytes.length && bytes[keyAt] !== SPACE; keyAt++) {
        const byte = bytes[keyAt]!;
        length = length * 10 + (byte - ZERO);
        if (byte < ZERO || byte > NINE) return "its length is not a number";
        // Attack: a record that says it is longer than the header reads what lies behind.
        if (length > bytes.length - at) return "its length goes beyond the header";
      }
      const end = at + length;
      if (keyAt === digitsAt || length < SHORTEST_RECORD || ++keyAt >= end) {
        return "its length is too short";
      }
      if (bytes[end - 1] !== NEWLINE) return "no newline at its end";
      const problem = this.#take(keyAt, end - 1);
      if (problem !== undefined) return problem;
      at = end;
    }
    return this.sparsePairs.length % 2 === 0 ? undefined : "a sparse offset without a length";
  }

  #take(start: number, end: number): string | undefined {
    const { bytes } = this;
    let equals = start;
    let nulInKey = false;
    for (; equals < end && bytes[equals] !== EQUALS; equals++) nulInKey ||= bytes[equals] === 0;
    if (equals === end) return "no = in it";
    if (equals === start || nulInKey) return "a bad key";
    const valueAt = equals + 1;
    const key = this.#find(start, equals);
    if (key >= 0) {
      if (isName(key) && bytes.subarray(valueAt, end).includes(0)) return "a NUL in a name";
      this.#starts[key] = valueAt;
      this.#ends[key] = end;
    } else if (beginsWith(bytes, start, equals, XATTR_PREFIX)) {
      const name = bytes.subarray(start + XATTR_PREFIX.length, equals);
      this.xattrs.push({ name, value: bytes.subarray(valueAt, end) });
    } else {
      return this.#takeSparsePair(start, equals, end);
    }
    return undefined;
  }

  #find(start: number, end: number): number {
    for (let key = 0; key < NAMES.length; key++) {
      const name = NAMES[key]!;
      if (name.length === end - start && beginsWith(this.bytes, start, end, name)) return key;
    }
    return -1;
  }

  #takeSparsePair(start: number, equals: number, end: number): string | undefined {
    const { bytes } = this;
    const is = (key: Uint8Array): boolean =>
      key.length === equals - start && beginsWith(bytes, start, equals, key);
    const isOffset = is(SPARSE_OFFSET);
    if (!isOffset && !is(SPARSE_LENGTH)) return undefined;
    const offsetDue = this.sparsePairs.length % 2 === 0;
    if (isOffset !== offsetDue || bytes.subarray(equals + 1, end).includes(COMMA)) {
      return "sparse offsets and lengths out of order";
    }
    this.sparsePairs.push(parseDecimal(bytes, equals + 1, end));
    return undefined;
  }
}

function beginsWith(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start < expected.length) return false;
  for (let at = 0; at < expected.length; at++) {
    if (bytes[start + at] !== expected[at]) return false;
  }
  return true;
}
