import { ImportError, printable } from "../../errors.ts";
import { createBreathing } from "../../image-reader/breathing.ts";
import { checkRecordedBytes } from "../../image-reader/check-recorded-bytes.ts";
import { createDamageLog, type DamageLog, unnamed } from "../../image-reader/damage.ts";
import { unsupported } from "../../image-reader/image-errors.ts";
import { openImageFile, type ImageFile } from "../../image-reader/image-file.ts";
import { changedBytes } from "../../image-reader/verify-bytes.ts";
import { unverifiableFeatures } from "../features.ts";
import { RO_COMPAT, SB } from "../format.ts";
import {
  parseSuperblock,
  readFeatures,
  superblockChecksum,
  type Superblock,
} from "../superblock.ts";
import { readSuperblockBytes, volumeOf, type Volume } from "../volume.ts";
import type { VerifyOptions, VolumeReport } from "../../image-reader/volume-report.ts";
import { BlockUsage } from "./block-usage.ts";
import { checkBitmaps } from "./check-bitmaps.ts";
import { checkDescriptorCopies, checkDescriptors } from "./check-descriptors.ts";
import { checkDirectories } from "./check-directories.ts";
import { checkInodeTables } from "./check-inode-table.ts";
import { checkJournal } from "./check-journal.ts";
import { checkLinks } from "./check-links.ts";
import { checkOrphanFile } from "./check-orphan-file.ts";
import { checkSuperblock, checkSuperblockCopies, claimGroupHeads } from "./check-superblocks.ts";
import { checkXattrBlocks } from "./check-xattr-blocks.ts";
import { InodeIndex } from "./inode-index.ts";
import { nameDamage } from "./name-damage.ts";
import { createPairList, type VerifyContext } from "./verify-context.ts";

/**
 * Checks an image's whole structure with nothing but this reader: superblocks, descriptors, bitmaps against what is really
 * used, every inode, block map, directory and attribute, link counts, the journal; and all bytes, where there is a record
 * of them. Damage is reported, not thrown.
 * @throws ImportError ERR_STORE_IO, ERR_SNAPSHOT_UNSUPPORTED, ERR_LIMIT_EXCEEDED, ERR_CANCELLED
 */
export async function verifyVolume(
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
  const opened = openDamaged(file, damage);
  const context = opened === undefined ? undefined : contextOf(opened.volume, { damage, breathe });
  if (opened !== undefined && context !== undefined) await checkAll(context, opened.bytes);
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
    blocks: opened?.volume.superblock.blocks ?? 0,
    usedBlocks: context === undefined ? 0 : usedBlocks(context),
    inodes: context?.inodes.count ?? 0,
    checkedBytes,
  };
}

function contextOf(
  volume: Volume,
  shared: Pick<VerifyContext, "damage" | "breathe">,
): VerifyContext {
  const { superblock } = volume;
  return {
    volume,
    ...shared,
    usage: new BlockUsage(superblock),
    inodes: new InodeIndex(),
    xattrBlocks: createPairList(),
    sharedTables: new Set(),
    directoriesOf: new Uint32Array(superblock.groups),
    inodesOf: new Uint32Array(superblock.groups),
  };
}

/** The order matters: who owns which block is known after the inodes, who names which inode after the directories. */
async function checkAll(context: VerifyContext, superblockBytes: Buffer): Promise<void> {
  checkSuperblock(context, superblockBytes);
  await checkSuperblockCopies(context, superblockBytes);
  claimGroupHeads(context);
  await checkDescriptors(context);
  await checkDescriptorCopies(context);
  await checkInodeTables(context);
  await checkXattrBlocks(context);
  await checkDirectories(context);
  await checkLinks(context);
  await checkBitmaps(context, superblockBytes);
  checkJournal(context, superblockBytes);
  await checkOrphanFile(context);
}

/**
 * A superblock with a wrong checksum is damage; when its numbers still agree with each other, the rest is looked at all
 * the same. A feature that is not known is no damage, unless the checksum says so.
 */
function openDamaged(
  file: ImageFile,
  damage: DamageLog,
): { readonly volume: Volume; readonly bytes: Buffer } | undefined {
  let suspect = false;
  try {
    const bytes = readSuperblockBytes(file);
    suspect = hasWrongChecksum(bytes);
    if (suspect) damage.add({ what: "superblock", problem: "it has a wrong checksum" });
    const superblock: Superblock = parseSuperblock(bytes, file.path);
    const unknown = unverifiableFeatures(readFeatures(bytes));
    if (unknown.length > 0) throw unsupported(file.path, unknown.join(", "));
    if (!superblock.hasChecksums) throw unsupported(file.path, "metadata without checksums");
    return { volume: volumeOf(file, superblock), bytes };
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const isDamage = error.code === "ERR_SNAPSHOT_DAMAGED";
    if (!isDamage && !(suspect && error.code === "ERR_SNAPSHOT_UNSUPPORTED")) throw error;
    damage.add({ what: "image", problem: printable(error.message, 400) });
    return undefined;
  }
}

/** A file system without checksums has 0 in the place of the superblock's. */
function hasWrongChecksum(bytes: Buffer): boolean {
  const checksum = bytes.readUInt32LE(SB.checksum);
  const without = (readFeatures(bytes).roCompat & RO_COMPAT.metadataChecksums) === 0;
  return superblockChecksum(bytes) !== checksum && !(without && checksum === 0);
}

function usedBlocks({ volume, usage }: VerifyContext): number {
  let used = 0;
  for (let group = 0; group < volume.superblock.groups; group++) used += usage.usedIn(group);
  return used;
}
