import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CRC_START, crc32c } from "../../../src/sink/crc32c.ts";
import {
  BLOCK_BYTES,
  BLOCKS_PER_GROUP,
  DESCRIPTOR,
  DESCRIPTOR_BYTES,
  EXTENT_MAGIC,
  EXTRA_INODE_BYTES,
  FEATURE_COMPAT,
  FEATURE_INCOMPAT,
  FEATURE_RO_COMPAT,
  FIRST_INODE,
  GROUP_INODE_ZEROED,
  HASH_HALF_MD4,
  INODE,
  INODE_BYTES,
  INODE_FLAG_EXTENTS,
  JOURNAL,
  JOURNAL_INODE,
  JOURNAL_MAGIC,
  JOURNAL_SUPERBLOCK_V2,
  ROOT_INODE,
  SUPER,
  SUPER_MAGIC,
} from "../../../src/sink/ext4/format.ts";
import { checksumSeed, inodeChecksumSeed } from "../../../src/sink/crc32c.ts";
import { ext4Geometry, journalBlocksOf } from "../../../src/sink/ext4/geometry.ts";
import { mustRun } from "../../support/run-program.ts";
import { scratchDirectory } from "../../support/scratch.ts";

const DISK_MIB = 300;
const UUID = "6a1c1d7e-0000-4000-8000-000000000001";
const FEATURES =
  "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/** A file system that mke2fs has made with our features, opened for reading. */
async function mke2fsImage(): Promise<{
  read(position: number, length: number): Buffer;
  close(): void;
}> {
  const path = join(scratchDirectory(), "mke2fs.img");
  const options = [
    "-O",
    FEATURES,
    "-U",
    UUID,
    "-b",
    "4096",
    "-I",
    "256",
    "-L",
    "theirs",
    "-m",
    "0",
  ];
  const extended = ["-E", "lazy_itable_init=0,hash_seed=6a1c1d7e-0000-4000-8000-000000000002"];
  await mustRun("mkfs.ext4", ["-q", "-F", ...options, ...extended, path, `${DISK_MIB}M`]);
  const fd = openSync(path, "r");
  return {
    read: (position, length) => {
      const bytes = Buffer.alloc(length);
      readSync(fd, bytes, 0, length, position);
      return bytes;
    },
    close: () => closeSync(fd),
  };
}

test("the offsets are those of a file system that mke2fs makes", async () => {
  const image = await mke2fsImage();
  try {
    const geometry = ext4Geometry(DISK_MIB * 2 ** 20);
    const sb = image.read(1024, 1024);
    expect({
      blocks: sb.readUInt32LE(SUPER.blocksCountLow),
      blocksHigh: sb.readUInt32LE(SUPER.blocksCountHigh),
      logBlockSize: sb.readUInt32LE(SUPER.logBlockSize),
      blocksPerGroup: sb.readUInt32LE(SUPER.blocksPerGroup),
      magic: sb.readUInt16LE(SUPER.magic),
      maxMounts: sb.readUInt16LE(SUPER.maxMountCount),
      state: sb.readUInt16LE(SUPER.state),
      errors: sb.readUInt16LE(SUPER.errors),
      revision: sb.readUInt32LE(SUPER.revision),
      firstInode: sb.readUInt32LE(SUPER.firstInode),
      inodeSize: sb.readUInt16LE(SUPER.inodeSize),
      compat: sb.readUInt32LE(SUPER.featureCompat) & FEATURE_COMPAT,
      incompat: sb.readUInt32LE(SUPER.featureIncompat),
      roCompat: sb.readUInt32LE(SUPER.featureRoCompat),
      uuid: sb.toString("hex", SUPER.uuid, SUPER.uuid + 16),
      label: sb.toString("latin1", SUPER.volumeName, SUPER.volumeName + 7),
      journalInode: sb.readUInt32LE(SUPER.journalInode),
      hashSeed: sb.toString("hex", SUPER.hashSeed, SUPER.hashSeed + 16),
      hashVersion: sb[SUPER.defaultHashVersion],
      journalBackup: sb[SUPER.journalBackupType],
      journalSize: sb.readUInt32LE(SUPER.journalSizeLow),
      journalExtents: sb.readUInt16LE(SUPER.journalBlocks),
      descriptorSize: sb.readUInt16LE(SUPER.descriptorSize),
      mountOptions: sb.readUInt32LE(SUPER.defaultMountOptions),
      minExtra: sb.readUInt16LE(SUPER.minExtraInodeSize),
      wantExtra: sb.readUInt16LE(SUPER.wantExtraInodeSize),
      flags: sb.readUInt32LE(SUPER.flags),
      flex: sb[SUPER.logGroupsPerFlex],
      checksumType: sb[SUPER.checksumType],
      checksum: sb.readUInt32LE(SUPER.checksum),
    }).toEqual({
      blocks: geometry.blocks,
      blocksHigh: 0,
      logBlockSize: 2,
      blocksPerGroup: BLOCKS_PER_GROUP,
      magic: SUPER_MAGIC,
      maxMounts: 0xffff,
      state: 1,
      errors: 1,
      revision: 1,
      firstInode: FIRST_INODE,
      inodeSize: INODE_BYTES,
      compat: FEATURE_COMPAT,
      incompat: FEATURE_INCOMPAT,
      roCompat: FEATURE_RO_COMPAT,
      uuid: UUID.replaceAll("-", ""),
      label: "theirs\0",
      journalInode: JOURNAL_INODE,
      hashSeed: "6a1c1d7e000040008000000000000002",
      hashVersion: HASH_HALF_MD4,
      journalBackup: 1,
      journalSize: journalBlocksOf(geometry.blocks) * BLOCK_BYTES,
      journalExtents: EXTENT_MAGIC,
      descriptorSize: DESCRIPTOR_BYTES,
      mountOptions: 0xc,
      minExtra: EXTRA_INODE_BYTES,
      wantExtra: EXTRA_INODE_BYTES,
      flags: 1,
      flex: 4,
      checksumType: 1,
      checksum: crc32c(CRC_START, sb, 0, SUPER.checksum),
    });
  } finally {
    image.close();
  }
});

test("a descriptor, the root and the journal of mke2fs are read by the same offsets", async () => {
  const image = await mke2fsImage();
  try {
    const seed = checksumSeed(Buffer.from(UUID.replaceAll("-", ""), "hex"));
    const group = image.read(BLOCK_BYTES, DESCRIPTOR_BYTES);
    expect(group.readUInt16LE(DESCRIPTOR.flags) & GROUP_INODE_ZEROED).toBe(GROUP_INODE_ZEROED);
    // The root and lost+found.
    expect(group.readUInt16LE(DESCRIPTOR.usedDirectoriesLow)).toBe(2);
    const inode = (number: number): Buffer =>
      image.read(
        group.readUInt32LE(DESCRIPTOR.inodeTableLow) * BLOCK_BYTES + (number - 1) * INODE_BYTES,
        INODE_BYTES,
      );
    const root = inode(ROOT_INODE);
    expect({
      mode: root.readUInt16LE(INODE.mode),
      size: root.readUInt32LE(INODE.sizeLow),
      links: root.readUInt16LE(INODE.linksCount),
      sectors: root.readUInt32LE(INODE.blocksLow),
      flags: root.readUInt32LE(INODE.flags),
      extents: root.readUInt16LE(INODE.block),
      extraSize: root.readUInt16LE(INODE.extraSize),
    }).toEqual({
      mode: 0o040755,
      size: BLOCK_BYTES,
      links: 3,
      sectors: 8,
      flags: INODE_FLAG_EXTENTS,
      extents: EXTENT_MAGIC,
      extraSize: EXTRA_INODE_BYTES,
    });
    const checksum =
      root.readUInt16LE(INODE.checksumLow) + root.readUInt16LE(INODE.checksumHigh) * 2 ** 16;
    const bare = Buffer.from(root);
    bare.writeUInt16LE(0, INODE.checksumLow);
    bare.writeUInt16LE(0, INODE.checksumHigh);
    expect(checksum).toBe(crc32c(inodeChecksumSeed(seed, ROOT_INODE), bare));
    // The first extent's block: header 12, then logical 4, length 2, high 2, low 4.
    const journal = image.read(
      inode(JOURNAL_INODE).readUInt32LE(INODE.block + 12 + 8) * BLOCK_BYTES,
      1024,
    );
    expect([
      journal.readUInt32BE(JOURNAL.magic),
      journal.readUInt32BE(JOURNAL.blockType),
      journal.readUInt32BE(JOURNAL.blockSize),
      journal.readUInt32BE(JOURNAL.maxLength),
      journal.readUInt32BE(JOURNAL.first),
    ]).toEqual([JOURNAL_MAGIC, JOURNAL_SUPERBLOCK_V2, BLOCK_BYTES, 4096, 1]);
  } finally {
    image.close();
  }
});
