import { crc32c, crc32cOfNumber } from "../../image-reader/crc32c.ts";
import { ORPHAN_BLOCK_MAGIC } from "../format.ts";
import { wholeFile } from "./check-journal.ts";
import { directoryBlocks, rawInode, viewDirectory } from "./directory-view.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Magic and checksum at the end of each block. */
const TAIL_BYTES = 8;

/** e2fsprogs makes 512 at most (`EXT2_DEFAULT_ORPHAN_FILE_SIZE` and its ceiling). */
const MOST_BLOCKS = 512;

/** The file that lists inodes which were deleted while they were open (`orphan_file`): its blocks are sound, and empty. */
export async function checkOrphanFile(context: VerifyContext): Promise<void> {
  const { volume, damage } = context;
  const { orphanFileInode } = volume.superblock;
  if (orphanFileInode === 0) return;
  const report = (problem: string, block?: number): void =>
    damage.add({
      what: "orphan file",
      inode: orphanFileInode,
      ...(block === undefined ? {} : { block }),
      problem,
    });
  const inode = rawInode(volume, orphanFileInode);
  if (inode === undefined) {
    report("there is none");
    return;
  }
  const whole = wholeFile(volume, inode);
  if (whole === undefined || whole.blocks > MOST_BLOCKS) {
    report("it is not as e2fsprogs makes it");
    return;
  }
  const view = viewDirectory(volume, inode);
  for (const { physical, bytes } of directoryBlocks(volume, view)) {
    const tail = bytes.length - TAIL_BYTES;
    if (bytes.readUInt32LE(tail) !== ORPHAN_BLOCK_MAGIC) report("a block of it is none", physical);
    let crc = crc32cOfNumber(crc32cOfNumber(view.seed, physical % 2 ** 32), 0);
    crc = crc32c(crc, bytes, 0, tail);
    if (volume.superblock.hasChecksums && crc !== bytes.readUInt32LE(tail + 4)) {
      report("a block of it has a wrong checksum", physical);
    }
    if (bytes.subarray(0, tail).some((byte) => byte !== 0)) report("it lists orphans", physical);
    await context.breathe();
  }
}
