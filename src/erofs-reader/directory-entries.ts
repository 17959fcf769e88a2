import { fileType } from "../image-reader/file-type.ts";
import { contentRuns } from "./content-runs.ts";
import { isPlainName, recordAt, recordCount } from "./directory-block.ts";
import { brokenInode, type ErofsInode } from "./inode.ts";
import type { ErofsVolume } from "./volume.ts";

export interface DirectoryEntry {
  readonly nid: number;
  /** 1 … 7 as `typeNumber` has them; anything else may stand there. */
  readonly type: number;
  /** Without slashes and NULs. Its own copy. */
  readonly name: Buffer;
}

/** Directories are read so many bytes at once at most, rounded to whole blocks. */
const READ_BYTES = 1 << 18;

/**
 * The names of a directory, in the order of their bytes, each once: `.` and `..` among them.
 * @throws ImportError ERR_SNAPSHOT_DAMAGED
 */
export function* erofsDirectoryEntries(
  volume: ErofsVolume,
  directory: ErofsInode,
): Generator<DirectoryEntry, void, undefined> {
  const broken = (what: string): Error =>
    brokenInode(volume, directory.number, `is a directory that cannot be read: ${what}`);
  if (fileType(directory.mode) !== "directory") throw broken("it is none");
  let before: Buffer | undefined;
  for (const { bytes } of directoryBlocks(volume, directory)) {
    const count = recordCount(bytes);
    if (typeof count === "string") throw broken(count);
    for (let index = 0; index < count; index++) {
      const record = recordAt(bytes, index, count);
      if (typeof record === "string") throw broken(record);
      const name = Buffer.from(bytes.subarray(record.nameStart, record.nameEnd));
      if (!isPlainName(name)) throw broken("a name of it cannot be");
      // The kernel searches by halves. Attack: a name that is there twice could be a link and a directory.
      if (before !== undefined && before.compare(name) >= 0)
        throw broken("its names are not in order");
      before = name;
      yield { nid: record.nid, type: record.type, name };
    }
  }
}

/** The blocks of a directory as far as it goes. @throws ImportError ERR_SNAPSHOT_DAMAGED */
export function* directoryBlocks(
  volume: ErofsVolume,
  directory: ErofsInode,
): Generator<{ readonly at: number; readonly bytes: Buffer }, void, undefined> {
  const { blockSize } = volume.superblock;
  for (const { at, bytes } of contentRuns(volume, directory)) {
    if (at === undefined) throw brokenInode(volume, directory.number, "is a directory with a hole");
    for (let done = 0; done < bytes; done += READ_BYTES) {
      const part = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes - done));
      volume.file.readSync(part, at + done);
      for (let from = 0; from < part.length; from += blockSize) {
        yield { at: at + done + from, bytes: part.subarray(from, from + blockSize) };
      }
    }
  }
}
