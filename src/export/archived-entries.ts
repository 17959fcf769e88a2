import { ImportError, printable } from "../errors.ts";
import type { ImageFile } from "../image-reader/image-file.ts";
import { PaxKey, PaxRecords } from "../layer/pax-records.ts";
import { BLOCK_BYTES, LINK_START, paddingAfter, TarHeader, TypeFlag } from "../layer/tar-header.ts";
import { parsePaxTime } from "../layer/tar-numbers.ts";
import type { Xattr } from "../layer/xattr-list.ts";

/** One entry of an archive that `sink/tar` has written. Bytes are copies. */
export interface ArchivedEntry {
  readonly name: Buffer;
  readonly linkName: Buffer;
  /** One of `TypeFlag`. */
  readonly typeflag: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly device: readonly [number, number];
  readonly xattrs: readonly Xattr[];
  /** Where its body begins in the file. */
  readonly bodyAt: number;
}

/** 2^32 - 1 is -1 to chown: "unchanged". */
const LARGEST_ID = 2 ** 32 - 2;
/** Linux: 12 and 20 bits. */
const LARGEST_MAJOR = 2 ** 12 - 1;
const LARGEST_MINOR = 2 ** 20 - 1;
/** Linux XATTR_NAME_MAX, and what `encodeXattrs` can hold. */
const LONGEST_XATTR = 255;
/** Longer ones are not ours: names, a target and attributes of an inode have less. */
const MOST_EXTENSION_BYTES = 64 << 20;

/**
 * The entries of an archive of ours in their order, one header after the other: bodies are stepped over. Headers are read by
 * the reader of layers, which shares no code with the writer (`sink/tar/tar-header.ts`). What such an archive cannot hold is
 * damage.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO
 */
export function* archivedEntries(file: ImageFile): Generator<ArchivedEntry, void, undefined> {
  const header = new TarHeader();
  const pax = new PaxRecords();
  let at = 0;
  for (;;) {
    let typeflag = readHeader(file, header, at);
    at += BLOCK_BYTES;
    if (typeflag === undefined) return;
    pax.clear();
    if (typeflag === TypeFlag.pax) {
      readRecords(file, pax, { at, size: header.size });
      at += header.size + paddingAfter(header.size);
      typeflag = readHeader(file, header, at);
      at += BLOCK_BYTES;
    }
    if (typeflag === undefined) throw damagedArchive(file, at, "an extended header has no entry");
    const entry = entryOf(header, pax, at);
    const hasBody = typeflag === TypeFlag.file;
    const impossible = impossibleField(entry);
    if (impossible !== undefined) {
      throw damagedArchive(file, at, `an entry has ${impossible} that it cannot have`);
    }
    if (!Number.isSafeInteger(entry.size) || entry.size < 0 || (!hasBody && entry.size > 0)) {
      throw damagedArchive(file, at, "an entry has a size that it cannot have");
    }
    if (at + entry.size > file.sizeBytes) throw damagedArchive(file, at, "it ends inside a file");
    yield entry;
    at += entry.size + paddingAfter(entry.size);
  }
}

export function damagedArchive(file: ImageFile, offsetBytes: number, what: string): ImportError {
  const path = printable(file.path, 4096);
  return new ImportError("ERR_SNAPSHOT_DAMAGED", `the archive ${path} is damaged: ${what}`, {
    hint: "Import the image again.",
    details: { path, offsetBytes },
  });
}

/** @returns the typeflag; undefined at the block of zeros that ends the archive */
function readHeader(file: ImageFile, header: TarHeader, at: number): number | undefined {
  if (at + BLOCK_BYTES > file.sizeBytes) throw damagedArchive(file, at, "it is cut");
  file.readSync(header.block, at);
  const problem = header.read();
  if (problem === "zeros") return undefined;
  if (problem !== undefined) throw damagedArchive(file, at, `a header has ${problem}`);
  return header.typeflag;
}

function readRecords(
  file: ImageFile,
  pax: PaxRecords,
  { at, size }: { readonly at: number; readonly size: number },
): void {
  if (size < 0 || size > MOST_EXTENSION_BYTES || at + size > file.sizeBytes) {
    throw damagedArchive(file, at, "an extended header has a size that it cannot have");
  }
  const bytes = Buffer.alloc(size);
  file.readSync(bytes, at);
  const problem = pax.parse(bytes);
  if (problem !== undefined) throw damagedArchive(file, at, `an extended header: ${problem}`);
}

function entryOf(header: TarHeader, pax: PaxRecords, bodyAt: number): ArchivedEntry {
  const number = (key: PaxKey, field: number): number => (pax.has(key) ? pax.number(key) : field);
  const time = { seconds: header.mtimeSeconds, nanoseconds: 0 };
  if (pax.has(PaxKey.mtime)) {
    const isTime = parsePaxTime(pax.bytes, pax.start(PaxKey.mtime), pax.end(PaxKey.mtime), time);
    if (!isTime) time.seconds = Number.NaN;
  }
  return {
    name: textOf(pax, PaxKey.path, header.name.subarray(0, header.nameLength)),
    linkName: textOf(pax, PaxKey.linkpath, header.block.subarray(LINK_START, header.linkEnd)),
    typeflag: header.typeflag,
    mode: header.mode,
    uid: number(PaxKey.uid, header.uid),
    gid: number(PaxKey.gid, header.gid),
    size: number(PaxKey.size, header.size),
    mtimeSeconds: time.seconds,
    mtimeNanoseconds: time.nanoseconds,
    device: [header.deviceMajor, header.deviceMinor],
    xattrs: pax.xattrs,
    bodyAt,
  };
}

/** Arrays of integers would take any number for some other one, without a word. */
function impossibleField(entry: ArchivedEntry): string | undefined {
  if (!isWhole(entry.uid, LARGEST_ID) || !isWhole(entry.gid, LARGEST_ID)) return "an owner";
  if (!Number.isFinite(entry.mtimeSeconds)) return "a time";
  const [major, minor] = entry.device;
  if (!isWhole(major, LARGEST_MAJOR) || !isWhole(minor, LARGEST_MINOR)) return "a device number";
  const areNamed = entry.xattrs.every(({ name }) => isWhole(name.length - 1, LONGEST_XATTR - 1));
  return areNamed ? undefined : "an attribute";
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

function textOf(pax: PaxRecords, key: PaxKey, field: Uint8Array): Buffer {
  return Buffer.from(pax.has(key) ? pax.bytes.subarray(pax.start(key), pax.end(key)) : field);
}
