import { join } from "node:path";
import { importInProcess } from "../case-kit/import-case.ts";
import { EXT4 } from "../image-kinds.ts";
import { mke2fsSeconds } from "../mke2fs-time.ts";
import { runProgram } from "../run-program.ts";
import { treeDifferences } from "./tree-differences.ts";

/** Holds every case that peers are asked about. */
const DISK_MB = 256;
/** What Debian's mke2fs makes by default and the kernel needs no more than we do. */
const FEATURES = "^resize_inode,^orphan_file,^metadata_csum_seed";

/** A target of 4095 bytes, and some sets of attributes that fit: the kernel takes both, libext2fs 1.47.0 neither. */
const BEYOND_MKE2FS = /ext2fs_symlink: Invalid argument|Insufficient space to store extended/;

/**
 * What our ext4 image of a case shows when it is mounted, beside what `mkfs.ext4 -d` makes of the directory that a peer
 * unpacked.
 * @param work as `importInProcess` takes it
 */
export async function imageDifferences(
  work: string,
  theirRoot: string,
): Promise<readonly string[]> {
  const [ours, theirs] = [join(work, "ours.img"), join(work, "theirs.img")];
  const run = await importInProcess(work, ours, { format: "ext4", diskMb: DISK_MB });
  if (run.exitCode !== 0) return [`an image is refused: ${run.stderr}`];
  const options = ["-q", "-d", theirRoot, "-O", FEATURES, theirs, `${DISK_MB}M`];
  const made = await runProgram("mkfs.ext4", options);
  if (BEYOND_MKE2FS.test(made.stderr)) return EXT4.problems(ours);
  if (made.exitCode !== 0) return [`mkfs.ext4 -d: ${made.stderr}`];
  const differences = await EXT4.withMounted(ours, (ourMount) =>
    EXT4.withMounted(theirs, (theirMount) =>
      treeDifferences(ourMount, theirMount, {
        timeOf: (mtimeNs) => String(mke2fsSeconds(mtimeNs)),
        leftOut: "lost+found",
        // mke2fs makes a symlink or a device with two names twice.
        filesAloneAreLinked: true,
      }),
    ),
  );
  return [...(await EXT4.problems(ours)), ...differences];
}
