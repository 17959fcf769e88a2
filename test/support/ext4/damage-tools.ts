import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { crc32c, crc32cOfZeros } from "../../../src/image-reader/crc32c.ts";
import {
  indexChecksumHolds,
  looksLikeIndexNode,
} from "../../../src/ext4-reader/directory-index.ts";
import { findFile } from "../../../src/browse/find-file.ts";
import { openDiskImageFiles } from "../../../src/browse/disk-image-files.ts";
import { openExt4Image } from "../../../src/ext4-reader/ext4-image.ts";
import { blockRuns } from "../../../src/ext4-reader/block-runs.ts";
import {
  inodeChecksumHolds,
  inodeSeed,
  readInode,
  type Inode,
} from "../../../src/ext4-reader/inode.ts";
import { descriptorOf, openVolume, type Volume } from "../../../src/ext4-reader/volume.ts";
import { mustRun } from "../run-program.ts";

/** Runs commands of debugfs, which corrects the checksums of what it writes. */
export async function debugfsWrite(imagePath: string, commands: readonly string[]): Promise<void> {
  const script = `${imagePath}.commands`;
  writeFileSync(script, `${commands.join("\n")}\n`);
  await mustRun("debugfs", ["-w", "-f", script, imagePath]);
}

/** What a change works on: one block of an image, and the checksum that it gets afterwards. */
export interface BlockEdit {
  /** Inside the image; or `<8>`, the number of an inode. */
  readonly path: string;
  /** Of the file's blocks; `inode`: the inode itself; `map`: the first block of its extent tree. */
  readonly block: number | "inode" | "map";
  readonly change: (bytes: Buffer) => void;
}

/** Changes metadata so that its checksum is right: what is wrong then is the content alone. */
export async function edit(imagePath: string, { path, block, change }: BlockEdit): Promise<void> {
  const { inode, position, size } = await place(imagePath, path, block);
  const fd = openSync(imagePath, "r+");
  try {
    const bytes = Buffer.alloc(size);
    readSync(fd, bytes, 0, size, position);
    change(bytes);
    const volume = await openVolume(imagePath);
    if (block === "inode") sealInode(volume, inode.number, bytes);
    else sealBlock(bytes, inodeSeed(volume.superblock, inode.number, inode.generation), block);
    await volume.file.close();
    writeSync(fd, bytes, 0, size, position);
  } finally {
    closeSync(fd);
  }
}

export async function inodeOf(imagePath: string, path: string): Promise<Inode> {
  const number = /^<(\d+)>$/.exec(path)?.[1];
  if (number !== undefined) {
    const volume = await openVolume(imagePath);
    try {
      return readInode(volume, Number(number));
    } finally {
      await volume.file.close();
    }
  }
  const files = await openDiskImageFiles(await openExt4Image(imagePath));
  try {
    return findFile(files, Buffer.from(path)).file.node;
  } finally {
    await files.close();
  }
}

export async function firstBlockOf(imagePath: string, path: string): Promise<number> {
  const inode = await inodeOf(imagePath, path);
  const volume = await openVolume(imagePath);
  try {
    for (const { physicalBlock } of blockRuns(volume, inode)) return physicalBlock;
    throw new Error(`${path} has no blocks`);
  } finally {
    await volume.file.close();
  }
}

async function place(
  imagePath: string,
  path: string,
  block: BlockEdit["block"],
): Promise<{ readonly inode: Inode; readonly position: number; readonly size: number }> {
  const inode = await inodeOf(imagePath, path);
  const volume = await openVolume(imagePath);
  try {
    const { blockSize, inodesPerGroup, inodeSize } = volume.superblock;
    if (block === "inode") {
      const group = Math.floor((inode.number - 1) / inodesPerGroup);
      const offset = ((inode.number - 1) % inodesPerGroup) * inodeSize;
      const position = descriptorOf(volume, group).inodeTable * blockSize + offset;
      return { inode, position, size: inodeSize };
    }
    if (block === "map") {
      const child = inode.bytes.readUInt32LE(0x28 + 12 + 4);
      return { inode, position: child * blockSize, size: blockSize };
    }
    for (const { logicalBlock, physicalBlock, blocks } of blockRuns(volume, inode)) {
      if (block >= logicalBlock + blocks) continue;
      return {
        inode,
        position: (physicalBlock + block - logicalBlock) * blockSize,
        size: blockSize,
      };
    }
    throw new Error(`${path} has no block ${block}`);
  } finally {
    await volume.file.close();
  }
}

function sealInode({ superblock }: Volume, number: number, bytes: Buffer): void {
  let crc = inodeSeed(superblock, number, bytes.readUInt32LE(0x64));
  crc = crc32cOfZeros(crc32c(crc, bytes, 0, 0x7c), 2);
  crc = crc32cOfZeros(crc32c(crc, bytes, 0x7e, 0x82), 2);
  crc = crc32c(crc, bytes, 0x84);
  bytes.writeUInt16LE(crc % 2 ** 16, 0x7c);
  bytes.writeUInt16LE(Math.floor(crc / 2 ** 16), 0x82);
  if (!inodeChecksumHolds(superblock, number, bytes)) throw new Error("the checksum does not hold");
}

function sealBlock(bytes: Buffer, seed: number, block: BlockEdit["block"]): void {
  const end = bytes.length - 4;
  if (block === "map") {
    bytes.writeUInt32LE(crc32c(seed, bytes, 0, end), end);
    return;
  }
  const isRoot = block === 0 && bytes.readUInt16LE(16) === bytes.length - 12;
  if (!isRoot && !looksLikeIndexNode(bytes)) {
    bytes.writeUInt32LE(crc32c(seed, bytes, 0, bytes.length - 12), end);
    return;
  }
  const entries = isRoot ? 32 : 8;
  const tail = entries + bytes.readUInt16LE(entries) * 8;
  let crc = crc32c(seed, bytes, 0, entries + bytes.readUInt16LE(entries + 2) * 8);
  crc = crc32cOfZeros(crc32c(crc, bytes, tail, tail + 4), 4);
  bytes.writeUInt32LE(crc, tail + 4);
  if (!indexChecksumHolds(bytes, isRoot, seed)) throw new Error("the checksum does not hold");
}

/**
 * Gives an inode an extent tree whose branches share their blocks: `levels` blocks, each of which all 340 entries of the
 * one above lead to. Whoever follows all of them is busy for years.
 */
export async function shareBranches(
  imagePath: string,
  path: string,
  { firstBlock, levels }: { readonly firstBlock: number; readonly levels: number },
): Promise<void> {
  const inode = await inodeOf(imagePath, path);
  const volume = await openVolume(imagePath);
  await volume.file.close();
  const { superblock } = volume;
  const seed = inodeSeed(superblock, inode.number, inode.generation);
  const fd = openSync(imagePath, "r+");
  for (let depth = levels - 1; depth >= 0; depth--) {
    const block = Buffer.alloc(superblock.blockSize);
    writeHeader(block, { entries: 340, slots: 340, depth });
    for (let slot = 0; slot < 340; slot++) {
      block.writeUInt32LE(slot, 12 + slot * 12);
      const below = firstBlock + levels - depth;
      block.writeUInt32LE(depth === 0 ? 1 : below, 12 + slot * 12 + 4);
      if (depth === 0) block.writeUInt32LE(below, 12 + slot * 12 + 8);
    }
    sealBlock(block, seed, "map");
    writeSync(fd, block, 0, block.length, (firstBlock + levels - 1 - depth) * superblock.blockSize);
  }
  closeSync(fd);
  await edit(imagePath, {
    path,
    block: "inode",
    change: (bytes) => {
      const root = bytes.subarray(0x28, 0x64).fill(0);
      writeHeader(root, { entries: 4, slots: 4, depth: levels });
      for (let slot = 0; slot < 4; slot++) {
        root.writeUInt32LE(slot, 12 + slot * 12);
        root.writeUInt32LE(firstBlock, 12 + slot * 12 + 4);
      }
    },
  });
}

function writeHeader(
  bytes: Buffer,
  {
    entries,
    slots,
    depth,
  }: { readonly entries: number; readonly slots: number; readonly depth: number },
): void {
  bytes.writeUInt16LE(0xf30a, 0);
  bytes.writeUInt16LE(entries, 2);
  bytes.writeUInt16LE(slots, 4);
  bytes.writeUInt16LE(depth, 6);
}
