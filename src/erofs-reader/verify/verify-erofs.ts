import { ImportError, printable } from "../../errors.ts";
import { createBreathing } from "../../image-reader/breathing.ts";
import { checkRecordedBytes, type RecordedBytes } from "../../image-reader/check-recorded-bytes.ts";
import { createDamageLog, unnamed, type DamageLog } from "../../image-reader/damage.ts";
import { openImageFile, type ImageFile } from "../../image-reader/image-file.ts";
import { changedBytes } from "../../image-reader/verify-bytes.ts";
import type { VerifyOptions, VolumeReport } from "../../image-reader/volume-report.ts";
import { SUPERBLOCK_AT } from "../format.ts";
import { checksumHolds, parseSuperblock, saysChecksum } from "../superblock.ts";
import { erofsVolumeOf, readSuperblockBytes, type ErofsVolume } from "../volume.ts";
import { checkDirectory } from "./check-directory.ts";
import { checkInode } from "./check-inode.ts";
import { checkLinks } from "./check-links.ts";
import { FoundInodes } from "./found-inodes.ts";
import { ImageUsage } from "./image-usage.ts";
import { nameDamage } from "./name-damage.ts";
import type { VerifyContext } from "./verify-context.ts";

const DIRECTORY = 2;

/**
 * Checks an image's whole structure with nothing but this reader: the superblock, every inode that a name leads to, its
 * contents, attributes and links, names and their order, and that no part of the image is in use for two things; and all
 * bytes, where there is a record of them. Damage is reported, not thrown.
 * @throws ImportError ERR_STORE_IO, ERR_SNAPSHOT_UNSUPPORTED, ERR_LIMIT_EXCEEDED, ERR_CANCELLED
 */
export async function verifyErofs(
  imagePath: string,
  options: VerifyOptions,
): Promise<VolumeReport> {
  const file = await openImageFile(imagePath);
  try {
    return await verifyFile(file, options);
  } finally {
    await file.close();
  }
}

async function verifyFile(file: ImageFile, options: VerifyOptions): Promise<VolumeReport> {
  const damage = createDamageLog();
  const breathe = createBreathing(options.signal);
  const volume = openDamaged(file, damage);
  const context =
    volume === undefined
      ? undefined
      : contextOf(volume, { damage, breathe, recorded: options.recorded });
  if (context !== undefined) await checkAll(context);
  const checkedBytes =
    options.recorded === undefined
      ? 0
      : await checkRecordedBytes(file, options.recorded, {
          breathe,
          onMismatch: (block, blocks) =>
            damage.add({ ...changedBytes(block, blocks), findOwners: blocks }),
        });
  return {
    damage:
      context === undefined ? damage.list.map(unnamed) : await nameDamage(context, damage.list),
    damageCount: damage.count(),
    blocks: volume?.superblock.blocks ?? 0,
    usedBlocks: context?.usage.usedBlocks ?? 0,
    inodes: context?.inodes.count ?? 0,
    checkedBytes,
  };
}

function contextOf(
  volume: ErofsVolume,
  {
    damage,
    breathe,
    recorded,
  }: Pick<VerifyContext, "damage" | "breathe"> & { readonly recorded: RecordedBytes | undefined },
): VerifyContext {
  return {
    volume,
    damage,
    breathe,
    recordedBlockSize: recorded?.blockBytes ?? volume.superblock.blockSize,
    usage: new ImageUsage(volume.superblock.blockSize),
    inodes: new FoundInodes(),
  };
}

/** Inodes are looked at in the order in which names lead to them, each once, whatever their directories say. */
async function checkAll(context: VerifyContext): Promise<void> {
  const { volume, inodes, usage } = context;
  const { superblock } = volume;
  usage.claimBytes(SUPERBLOCK_AT, SUPERBLOCK_AT + superblock.superblockBytes);
  inodes.add(superblock.rootNid, DIRECTORY, 0);
  for (let index = 0; index < inodes.count; index++) {
    const directory = checkInode(context, index);
    if (directory !== undefined) await checkDirectory(context, index, directory);
    // Its parent has a link from it all the same.
    else if (inodes.typeAt(index) === DIRECTORY) inodes.addName(inodes.parentAt(index));
    await context.breathe();
  }
  await checkLinks(context);
}

/**
 * A superblock with a wrong checksum is damage; when its numbers still agree with each other, the rest is looked at all
 * the same. A feature that is not known is no damage, unless the checksum says so.
 */
function openDamaged(file: ImageFile, damage: DamageLog): ErofsVolume | undefined {
  let suspect = false;
  try {
    const bytes = readSuperblockBytes(file);
    suspect = saysChecksum(bytes) && !checksumHolds(bytes);
    if (suspect) damage.add({ what: "superblock", problem: "it has a wrong checksum" });
    return erofsVolumeOf(file, parseSuperblock(bytes, file.path));
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const isDamage = error.code === "ERR_SNAPSHOT_DAMAGED";
    if (!isDamage && !(suspect && error.code === "ERR_SNAPSHOT_UNSUPPORTED")) throw error;
    damage.add({ what: "image", problem: printable(error.message, 400) });
    return undefined;
  }
}
