import { BLOCK_BYTES } from "../block-placement.ts";
import { CRC_START, crc32c } from "../crc32c.ts";
import {
  COMPAT_MTIME,
  COMPAT_SB_CHKSUM,
  INCOMPAT_CHUNKED_FILE,
  MAGIC,
  SUPERBLOCK,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_POSITION,
} from "./format.ts";

const BLOCK_BITS = 12;

export interface SuperblockFields {
  readonly uuid: Uint8Array;
  readonly epochSeconds: number;
  readonly inodes: number;
  /** Of the whole image. */
  readonly blocks: number;
  /** The first one of the metadata: there lies the root, which therefore has the number 0. */
  readonly metadataBlock: number;
  readonly hasChunkedFiles: boolean;
}

/** The superblock with its checksum, which covers the rest of block 0 too: zeros. */
export function encodeSuperblock(fields: SuperblockFields): Uint8Array {
  const covered = new Uint8Array(BLOCK_BYTES - SUPERBLOCK_POSITION);
  const view = new DataView(covered.buffer);
  view.setUint32(SUPERBLOCK.magic, MAGIC, true);
  view.setUint32(SUPERBLOCK.featureCompat, COMPAT_SB_CHKSUM | COMPAT_MTIME, true);
  covered[SUPERBLOCK.blockBits] = BLOCK_BITS;
  view.setUint16(SUPERBLOCK.rootNid, 0, true);
  view.setBigUint64(SUPERBLOCK.inodes, BigInt(fields.inodes), true);
  view.setBigInt64(SUPERBLOCK.buildTime, BigInt(fields.epochSeconds), true);
  view.setUint32(SUPERBLOCK.blocks, fields.blocks, true);
  view.setUint32(SUPERBLOCK.metadataBlock, fields.metadataBlock, true);
  covered.set(fields.uuid, SUPERBLOCK.uuid);
  const incompat = fields.hasChunkedFiles ? INCOMPAT_CHUNKED_FILE : 0;
  view.setUint32(SUPERBLOCK.featureIncompat, incompat, true);
  view.setUint32(SUPERBLOCK.checksum, crc32c(CRC_START, covered), true);
  return covered.slice(0, SUPERBLOCK_BYTES);
}
