import { parseNumeric, parseOctal } from "./tar-numbers.ts";

export const BLOCK_BYTES = 512;

/** Bytes from the end of a body of this size to the next whole block. */
export function paddingAfter(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Typeflags (POSIX ustar, GNU, pax). */
export const TypeFlag = {
  oldFile: 0x00,
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  character: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,
  pax: 0x78,
  paxGlobal: 0x67,
  gnuLongName: 0x4c,
  gnuLongLink: 0x4b,
  gnuSparse: 0x53,
} as const;

/** What a block has that is no header. Two blocks of zeros end an archive. */
export type NoHeader = "zeros" | "a wrong checksum" | `a bad ${string} field`;

/** A field is `[start, end)`. */
const NAME = [0, 100] as const;
const LINK = [157, 257] as const;
const PREFIX = [345, 500] as const;
const STAR_PREFIX = [345, 476] as const;
const CHECKSUM = [148, 156] as const;
const TYPEFLAG = 156;
const MAGIC = 257;
const STAR_TRAILER = 508;
const GNU_TIMES = [345, 357, 369] as const;
const STAR_TIMES = [476, 488, 500] as const;
const LONGEST_NAME = PREFIX[1] - PREFIX[0] + 1 + NAME[1] - NAME[0];

const USTAR_MAGIC = Buffer.from("ustar\0");
const GNU_MAGIC = Buffer.from("ustar  \0");
const STAR_MARK = Buffer.from("tar\0");

/**
 * One header block, read as Go's archive/tar does; the object is reused for every entry.
 *
 *     0 name[100]  100 mode[8]  108 uid[8]  116 gid[8]  124 size[12]  136 mtime[12]  148 checksum[8]  156 type
 *     157 link[100]  257 magic[6] version[2]  265 uname[32]  297 gname[32]  329 devmajor[8]  337 devminor[8]
 *     345 ustar: prefix[155]; star: prefix[131] atime[12] ctime[12], "tar\0" at 508; GNU: atime[12] ctime[12] …
 */
export class TarHeader {
  readonly block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(this.block.buffer);
  readonly #joined = new Uint8Array(LONGEST_NAME);

  format: "v7" | "ustar" | "star" | "gnu" = "v7";
  typeflag = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  size = 0;
  mtimeSeconds = 0;
  mtimeNanoseconds = 0;
  deviceMajor = 0;
  deviceMinor = 0;
  /** The name is `name[0 … nameLength)`; the link's target `block[LINK_START … linkEnd)`. */
  name: Uint8Array = this.block;
  nameLength = 0;
  linkEnd = 0;

  /** The sum of all bytes, unsigned: 0 for a block of zeros and no other. */
  #sum(): number {
    // Two bytes at a time in each half of a word: 128 words of four bytes stay under 2^16 in each half.
    const words = this.#words;
    let halves = 0;
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      halves += (word & 0x00ff00ff) + ((word >>> 8) & 0x00ff00ff);
    }
    return (halves & 0xffff) + (halves >>> 16);
  }

  /** @param sum of all bytes. Old tars summed signed ones. */
  #checksumHolds(sum: number): boolean {
    const { block } = this;
    const stated = parseOctal(block, CHECKSUM[0], CHECKSUM[1]);
    // The field itself counts as eight spaces.
    let unsigned = sum + 8 * 0x20;
    for (let at = CHECKSUM[0]; at < CHECKSUM[1]; at++) unsigned -= block[at]!;
    return stated === unsigned || stated === unsigned - 256 * this.#highBytes();
  }

  #highBytes(): number {
    let count = 0;
    for (let at = 0; at < BLOCK_BYTES; at++) {
      const inChecksum = at >= CHECKSUM[0] && at < CHECKSUM[1];
      if (this.block[at]! >= 0x80 && !inChecksum) count++;
    }
    return count;
  }

  /** Reads every field of `block`. @returns why it is no header, or `undefined` */
  read(): NoHeader | undefined {
    const sum = this.#sum();
    if (sum === 0) return "zeros";
    if (!this.#checksumHolds(sum)) return "a wrong checksum";
    const { block } = this;
    this.format = this.#readFormat();
    this.typeflag = block[TYPEFLAG]!;
    this.mode = this.#readMode();
    this.uid = parseNumeric(block, 108, 116);
    this.gid = parseNumeric(block, 116, 124);
    this.size = parseNumeric(block, 124, 136);
    this.mtimeSeconds = parseNumeric(block, 136, 148);
    this.mtimeNanoseconds = 0;
    this.deviceMajor = this.format === "v7" ? 0 : parseNumeric(block, 329, 337);
    this.deviceMinor = this.format === "v7" ? 0 : parseNumeric(block, 337, 345);
    this.#readName();
    this.linkEnd = endOfText(block, LINK[0], LINK[1]);
    const bad = this.#badField();
    return bad === undefined ? undefined : `a bad ${bad} field`;
  }

  /** The low sixteen bits of a base-256 mode: its 56 or more bits are too many for a double, and only twelve count. */
  #readMode(): number {
    const { block } = this;
    return block[100]! < 0x80 ? parseNumeric(block, 100, 108) : block[106]! * 256 + block[107]!;
  }

  #badField(): string | undefined {
    if (Number.isNaN(this.mode)) return "mode";
    if (Number.isNaN(this.uid)) return "uid";
    if (Number.isNaN(this.gid)) return "gid";
    // Negative too where a pax size would replace it, as in Go.
    if (!(this.size >= 0 && this.size < Infinity)) return "size";
    if (Number.isNaN(this.mtimeSeconds)) return "mtime";
    if (Number.isNaN(this.deviceMajor)) return "devmajor";
    if (Number.isNaN(this.deviceMinor)) return "devminor";
    if (this.format === "star" && this.#badTimes(STAR_TIMES)) return "atime or ctime";
    return undefined;
  }

  #readFormat(): TarHeader["format"] {
    const { block } = this;
    // Most of all layers are ustar or pax: their version is "00", and GNU's magic differs at its sixth byte.
    if (startsWith(block, MAGIC, USTAR_MAGIC)) {
      return startsWith(block, STAR_TRAILER, STAR_MARK) ? "star" : "ustar";
    }
    return startsWith(block, MAGIC, GNU_MAGIC) ? "gnu" : "v7";
  }

  #readName(): void {
    const { block } = this;
    this.name = block;
    this.nameLength = endOfText(block, NAME[0], NAME[1]);
    const prefixEnd = this.#prefixEnd();
    if (prefixEnd === PREFIX[0]) return;
    const joined = this.#joined;
    const prefixLength = prefixEnd - PREFIX[0];
    joined.set(block.subarray(PREFIX[0], prefixEnd));
    joined[prefixLength] = 0x2f;
    joined.set(block.subarray(0, this.nameLength), prefixLength + 1);
    this.name = joined;
    this.nameLength += prefixLength + 1;
  }

  #prefixEnd(): number {
    const { block } = this;
    if (this.format === "v7" || block[PREFIX[0]] === 0) return PREFIX[0];
    if (this.format === "ustar") return endOfText(block, PREFIX[0], PREFIX[1]);
    if (this.format === "star") return endOfText(block, STAR_PREFIX[0], STAR_PREFIX[1]);
    // GNU has times there. Go before 1.8 wrote a prefix instead, and its images are still around (golang/go 12594).
    if (!this.#badTimes(GNU_TIMES)) return PREFIX[0];
    const end = endOfText(block, PREFIX[0], PREFIX[1]);
    for (let at = PREFIX[0]; at < end; at++) if (block[at]! >= 0x80) return PREFIX[0];
    return end;
  }

  #badTimes([first, second, end]: readonly [number, number, number]): boolean {
    const isBad = (from: number, to: number): boolean => {
      const value = parseNumeric(this.block, from, to);
      return Number.isNaN(value) || Math.abs(value) === Infinity;
    };
    return isBad(first, second) || (this.block[second] !== 0 && isBad(second, end));
  }
}

/** Where the link's target begins in `block`. */
export const LINK_START: number = LINK[0];

/** Types without a body, whatever their size field says (Go's `isHeaderOnlyType`). */
export function isHeaderOnly(typeflag: number): boolean {
  return typeflag >= TypeFlag.hardlink && typeflag <= TypeFlag.fifo;
}

/** The first NUL, or `end`. */
function endOfText(block: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && block[at] !== 0) at++;
  return at;
}

function startsWith(block: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let at = 0; at < expected.length; at++) {
    if (block[start + at] !== expected[at]) return false;
  }
  return true;
}
