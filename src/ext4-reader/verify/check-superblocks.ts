import { groupFirstBlock, groupHead, hasSuperblockCopy } from "../block-groups.ts";
import { INCOMPAT, RO_COMPAT, SB, STATE_CLEAN, STATE_ERRORS, SUPERBLOCK_BYTES } from "../format.ts";
import { hasMagic, superblockChecksum, type Superblock } from "../superblock.ts";
import type { VerifyContext } from "./verify-context.ts";

/** What copies have in common with the first one: where things lie, and what the checksums begin with. Offset, bytes. */
const SHARED_FIELDS = [
  [SB.inodesCount, 4],
  [SB.blocksCountLow, 4],
  [SB.firstDataBlock, 4],
  [SB.logBlockSize, 4],
  [SB.logClusterSize, 4],
  [SB.blocksPerGroup, 4],
  [SB.clustersPerGroup, 4],
  [SB.inodesPerGroup, 4],
  [SB.revision, 4],
  [SB.firstInode, 4],
  [SB.inodeSize, 2],
  [SB.uuid, 16],
  [SB.hashSeed, 16],
  [SB.descriptorSize, 2],
  [SB.firstMetaBlockGroup, 4],
  [SB.blocksCountHigh, 4],
] as const;

/** What the kernel changes in the first superblock alone. */
const CHANGING_INCOMPAT = INCOMPAT.recover;

export function checkSuperblock({ damage }: VerifyContext, bytes: Buffer): void {
  const report = (problem: string): void => damage.add({ what: "superblock", problem });
  const state = bytes.readUInt16LE(SB.state);
  if ((state & STATE_ERRORS) !== 0) report("it says that the kernel found errors");
  else if (state !== STATE_CLEAN) report("it says that the file system was not unmounted");
  const incompat = bytes.readUInt32LE(SB.featureIncompat);
  const roCompat = bytes.readUInt32LE(SB.featureRoCompat);
  if ((incompat & INCOMPAT.recover) !== 0) report("its journal has to be replayed");
  if ((roCompat & RO_COMPAT.orphanPresent) !== 0) report("it says that there are orphans");
  if (bytes.readUInt32LE(SB.lastOrphan) !== 0) report("it has a list of orphans");
  if (bytes.readUInt16LE(SB.groupNumber) !== 0) report("it says that it is a copy");
  if (bytes.readUInt32LE(SB.firstInode) !== 11) report("the first inode for files is not 11");
}

/** Copies are found where the groups begin; each is compared with the first one. */
export async function checkSuperblockCopies(context: VerifyContext, first: Buffer): Promise<void> {
  const { volume, damage } = context;
  const { superblock, file } = volume;
  const copy = Buffer.alloc(SUPERBLOCK_BYTES);
  for (let group = 1; group < superblock.groups; group++) {
    if (!hasSuperblockCopy(superblock, group)) continue;
    const block = groupFirstBlock(superblock, group);
    file.readSync(copy, block * superblock.blockSize);
    for (const problem of copyProblems(superblock, { copy, first, group })) {
      damage.add({ what: "superblock", block, problem: `the copy in group ${group} ${problem}` });
    }
    await context.breathe();
  }
}

function copyProblems(
  superblock: Superblock,
  { copy, first, group }: { readonly copy: Buffer; readonly first: Buffer; readonly group: number },
): readonly string[] {
  if (!hasMagic(copy)) return ["is none"];
  const problems: string[] = [];
  if (superblock.hasChecksums && superblockChecksum(copy) !== copy.readUInt32LE(SB.checksum)) {
    problems.push("has a wrong checksum");
  }
  if (copy.readUInt16LE(SB.groupNumber) !== group) problems.push("says that it lies elsewhere");
  const differs =
    lastingFeatures(copy) !== lastingFeatures(first) ||
    SHARED_FIELDS.some(([at, bytes]) => copy.compare(first, at, at + bytes, at, at + bytes) !== 0);
  if (differs) problems.push("describes another file system");
  return problems;
}

function lastingFeatures(bytes: Buffer): number {
  return bytes.readUInt32LE(SB.featureIncompat) & ~CHANGING_INCOMPAT;
}

/** Marks what lies at the start of the groups as in use. */
export function claimGroupHeads({ volume, usage }: VerifyContext): void {
  const { superblock } = volume;
  // With blocks of 1024 bytes the boot area is a block of its own, before the first group.
  for (let group = 0; group < superblock.groups; group++) {
    const { hasSuperblock, descriptorBlocks } = groupHead(superblock, group);
    if (hasSuperblock) usage.claim(groupFirstBlock(superblock, group), 1);
    for (const { block } of descriptorBlocks) usage.claim(block, 1);
  }
}
