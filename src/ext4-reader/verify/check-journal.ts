import { crc32c, crc32cOfZeros } from "../../image-reader/crc32c.ts";
import { fileType } from "../../image-reader/file-type.ts";
import { mapSteps } from "../block-runs.ts";
import { INODE_BLOCK_BYTES, JOURNAL_BACKUP_BLOCKS, JOURNAL_MAGIC, SB } from "../format.ts";
import { inodeBlock, type Inode } from "../inode.ts";
import { readBlocks, type Volume } from "../volume.ts";
import { rawInode } from "./directory-view.ts";
import type { VerifyContext } from "./verify-context.ts";

/** `journal_superblock_t` (kernel: `include/linux/jbd2.h`), big-endian. */
const JSB = {
  magic: 0x00,
  blockType: 0x04,
  headerSequence: 0x08,
  blockSize: 0x0c,
  maxLength: 0x10,
  first: 0x14,
  sequence: 0x18,
  start: 0x1c,
  error: 0x20,
  compat: 0x24,
  incompat: 0x28,
  roCompat: 0x2c,
  uuid: 0x30,
  users: 0x40,
  checksum: 0xfc,
} as const;
const JSB_BYTES = 1024;
const SUPERBLOCK_V2 = 4;
const CHECKSUM_V2 = 0x8;
const CHECKSUM_V3 = 0x10;
/** Revoke, 64 bits, asynchronous commits, two kinds of checksums, fast commits. */
const KNOWN_INCOMPAT = 0x3f;

/** The journal: fully there, and empty, so that a mount has nothing to replay. */
export function checkJournal(context: VerifyContext, superblockBytes: Buffer): void {
  const { volume, damage } = context;
  const { journalInode, blockSize } = volume.superblock;
  if (journalInode === 0) return;
  const report = (problem: string, block?: number): void =>
    damage.add({
      what: "journal",
      inode: journalInode,
      ...(block === undefined ? {} : { block }),
      problem,
    });
  const inode = rawInode(volume, journalInode);
  if (inode === undefined || fileType(inode.mode) !== "file") {
    report("there is none");
    return;
  }
  const whole = wholeFile(volume, inode);
  if (whole === undefined || whole.blocks * blockSize !== inode.sizeBytes) {
    report("it has holes");
    return;
  }
  const { block, blocks } = whole;
  for (const problem of backupProblems(superblockBytes, inode)) report(problem);
  const bytes = readBlocks(volume, block).subarray(0, JSB_BYTES);
  const facts = { blockSize, blocks, neverMounted: isNeverMounted(superblockBytes) };
  for (const problem of journalProblems(bytes, facts)) report(problem, block);
  const uuid = bytes.subarray(JSB.uuid, JSB.uuid + 16);
  if (!uuid.equals(volume.superblock.uuid) && uuid.some((byte) => byte !== 0)) {
    report("it belongs to another file system", block);
  }
}

/** Attack: a map that leads in circles was reported with the inode; here it ends after as many blocks as a real one has. */
const MOST_MAP_BLOCKS = 1024;

/** Of a file without holes: its first block, and how many it has. */
export function wholeFile(
  volume: Volume,
  inode: Inode,
): { readonly block: number; readonly blocks: number } | undefined {
  let entered = 0;
  let block: number | undefined;
  let blocks = 0;
  for (const step of mapSteps(volume, inode, () => ++entered <= MOST_MAP_BLOCKS)) {
    if (step.kind === "problem" || step.run.logicalBlock !== blocks) return undefined;
    block ??= step.run.physicalBlock;
    blocks += step.run.blocks;
  }
  return block === undefined ? undefined : { block, blocks };
}

function isNeverMounted(superblock: Buffer): boolean {
  return (
    superblock.readUInt32LE(SB.mountTime) === 0 && superblock.readUInt16LE(SB.mountCount) === 0
  );
}

/** The superblock keeps a copy of the journal's block map. */
function* backupProblems(superblock: Buffer, inode: Inode): Generator<string, void, undefined> {
  if (superblock[SB.journalBackupType] !== JOURNAL_BACKUP_BLOCKS) return;
  const copy = superblock.subarray(SB.journalBackup, SB.journalBackup + INODE_BLOCK_BYTES);
  const high = superblock.readUInt32LE(SB.journalBackup + INODE_BLOCK_BYTES);
  const low = superblock.readUInt32LE(SB.journalBackup + INODE_BLOCK_BYTES + 4);
  if (!copy.equals(inodeBlock(inode)) || high * 2 ** 32 + low !== inode.sizeBytes) {
    yield "the copy of its inode in the superblock is another one";
  }
}

function* journalProblems(
  bytes: Buffer,
  facts: { readonly blockSize: number; readonly blocks: number; readonly neverMounted: boolean },
): Generator<string, void, undefined> {
  const at = (offset: number): number => bytes.readUInt32BE(offset);
  if (at(JSB.magic) !== JOURNAL_MAGIC || at(JSB.blockType) !== SUPERBLOCK_V2) {
    yield "it has no superblock";
    return;
  }
  if (at(JSB.blockSize) !== facts.blockSize || at(JSB.maxLength) !== facts.blocks) {
    yield `it says that it has ${at(JSB.maxLength)} blocks of ${at(JSB.blockSize)} bytes`;
  }
  if (at(JSB.first) !== 1) yield `it says that its log begins with block ${at(JSB.first)}`;
  if (at(JSB.start) !== 0) yield "it has to be replayed";
  if (at(JSB.error) !== 0) yield `it was aborted with error ${bytes.readInt32BE(JSB.error)}`;
  if ((at(JSB.incompat) & ~KNOWN_INCOMPAT) !== 0 || at(JSB.roCompat) !== 0) {
    yield "it has features that are not known";
  }
  if ((at(JSB.incompat) & (CHECKSUM_V2 | CHECKSUM_V3)) !== 0) {
    if (checksumOf(bytes) !== at(JSB.checksum)) yield "its superblock has a wrong checksum";
  } else yield* uncheckedProblems(bytes, facts.neverMounted);
}

/** Without a checksum of its own every byte has its one value; a kernel that mounts the file system adds a checksum. */
function* uncheckedProblems(
  bytes: Buffer,
  neverMounted: boolean,
): Generator<string, void, undefined> {
  const at = (offset: number): number => bytes.readUInt32BE(offset);
  if (at(JSB.headerSequence) !== 0 || at(JSB.users) !== 1 || at(JSB.compat) !== 0) {
    yield "its superblock has values that it cannot have";
  }
  if (neverMounted && (at(JSB.sequence) !== 1 || at(JSB.incompat) !== 0)) {
    yield "it was used, but the file system never mounted";
  }
  if (bytes.subarray(JSB.users + 4).some((byte) => byte !== 0)) {
    yield "something stands behind its superblock";
  }
}

/** The field counts as zeros; there is no seed. */
function checksumOf(bytes: Buffer): number {
  const crc = crc32cOfZeros(crc32c(0xffffffff, bytes, 0, JSB.checksum), 4);
  return crc32c(crc, bytes, JSB.checksum + 4, JSB_BYTES);
}
