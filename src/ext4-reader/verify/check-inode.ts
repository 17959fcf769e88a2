import { fileType, typeNumber } from "../../image-reader/file-type.ts";
import { COMPAT, INO, INODE_BLOCK_BYTES, INODE_FLAG, MAX_FILE_BLOCKS } from "../format.ts";
import { OLD_INODE_BYTES, UNREADABLE_INODE_FLAGS } from "../format.ts";
import { inodeBlock, inodeChecksumHolds, isFastSymlink, parseInode, type Inode } from "../inode.ts";
import type { Superblock } from "../superblock.ts";
import { isBlockRange } from "../volume.ts";
import { areaEntries, inodeArea } from "../xattrs.ts";
import { checkBlockMap } from "./check-block-map.ts";
import { storedXattrProblems } from "./stored-xattrs.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Checks an inode that its bitmap says is in use, and takes note of what it owns. @param bytes borrowed */
export function checkInode(context: VerifyContext, number: number, bytes: Buffer): void {
  const { volume, damage } = context;
  const { superblock } = volume;
  const report = (problem: string): void => damage.add({ what: "inode", inode: number, problem });
  const reserved = number < INO.firstUsable && !isExpected(superblock, number);
  if (reserved && bytes.every((byte) => byte === 0)) return;
  if (superblock.hasChecksums && !inodeChecksumHolds(superblock, number, bytes)) {
    report("it has a wrong checksum");
  }
  const inode = parseInode(superblock, number, bytes);
  if (!reserved) checkUsedInode(context, inode);
  else if (inode.mode !== 0 || inode.links !== 0 || inode.occupiedBytes !== 0) {
    report("it is reserved, but not empty");
  }
}

/** Of the first ten, those that this file system has. */
function isExpected({ features, journalInode }: Superblock, number: number): boolean {
  if (number === INO.resize) return (features.compat & COMPAT.resizeInode) !== 0;
  return number === INO.root || number === journalInode;
}

/** An inode without a name: it belongs to the file system itself. */
function isSystemInode({ journalInode, orphanFileInode }: Superblock, number: number): boolean {
  if (number === journalInode || number === orphanFileInode) return true;
  return number < INO.firstUsable && number !== INO.root;
}

function checkUsedInode(context: VerifyContext, inode: Inode): void {
  const { volume, damage, inodes } = context;
  const { superblock } = volume;
  const { number } = inode;
  const report = (problem: string): void => damage.add({ what: "inode", inode: number, problem });
  for (const problem of fieldProblems(superblock, inode)) report(problem);
  const { blocks, isSound } = checkBlockMap(context, inode);
  checkAttributes(context, inode);
  const owned = (blocks + (inode.xattrBlock === 0 ? 0 : 1)) * superblock.blockSize;
  if (inode.occupiedBytes !== owned) {
    report(`it says that it occupies ${inode.occupiedBytes} bytes; its blocks have ${owned}`);
  }
  if (fileType(inode.mode) === "symlink") checkSymlink(context, inode);
  if (fileType(inode.mode) === "directory") {
    const group = Math.floor((number - 1) / superblock.inodesPerGroup);
    context.directoriesOf[group] = context.directoriesOf[group]! + 1;
  }
  if (isSystemInode(superblock, number)) return;
  inodes.add({ number, type: typeNumber(inode.mode), links: inode.links, readable: isSound });
}

function* fieldProblems(superblock: Superblock, inode: Inode): Generator<string, void, undefined> {
  const { mode, links, deletionTime, flags, extraSize, sizeBytes } = inode;
  const type = fileType(mode);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (type === undefined) yield `it has no known type (mode ${mode.toString(8)})`;
  if (links === 0) yield "it is in use, but has no links";
  if (deletionTime !== 0) yield "it is in use, but has a time of deletion";
  if (has(UNREADABLE_INODE_FLAGS)) yield "it has flags of features that this image does not have";
  if (has(INODE_FLAG.index) && type !== "directory") yield "it is indexed, but is no directory";
  const mapped = type === "file" || type === "directory" || type === "symlink";
  if (has(INODE_FLAG.extents) && !mapped) yield `it is a ${type ?? "thing"} with extents`;
  if (!mapped && sizeBytes !== 0) yield `it is a ${type ?? "thing"} of ${sizeBytes} bytes`;
  if (sizeBytes > MAX_FILE_BLOCKS * superblock.blockSize) yield `it has ${sizeBytes} bytes`;
  const room = superblock.inodeSize - OLD_INODE_BYTES;
  if (extraSize > room || extraSize % 4 !== 0) yield `its extra fields have ${extraSize} bytes`;
}

function checkAttributes({ volume, damage, xattrBlocks }: VerifyContext, inode: Inode): void {
  const { number, xattrBlock } = inode;
  const report = (problem: string): void =>
    damage.add({ what: "attributes", inode: number, problem });
  const area = inodeArea(inode);
  if (area !== undefined) {
    const entries = areaEntries(area);
    if (typeof entries === "string") report(`it has ${entries}`);
    else for (const problem of storedXattrProblems(entries, { zeroHash: true })) report(problem);
  }
  if (xattrBlock === 0) return;
  if (isBlockRange(volume.superblock, xattrBlock, 1)) xattrBlocks.add(xattrBlock, number);
  else report(`its attributes are in block ${xattrBlock}, which is not on the disk`);
}

function checkSymlink({ damage }: VerifyContext, inode: Inode): void {
  const { sizeBytes, number } = inode;
  const report = (problem: string): void => damage.add({ what: "inode", inode: number, problem });
  if (sizeBytes === 0) {
    report("it is a link without a target");
    return;
  }
  if (!isFastSymlink(inode)) return;
  const target = inodeBlock(inode);
  const end = target.indexOf(0);
  // Behind its end may stand what the inode held before: the kernel copies no more than the target.
  if ((end === -1 ? INODE_BLOCK_BYTES : end) !== sizeBytes) {
    report("the target of the link has another length");
  }
}
