import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import type { BlockMoves } from "../block-moves.ts";
import type { BodyMap } from "../body-map.ts";
import type { ImageFile } from "../image-file.ts";
import type { ImageIdentity } from "../image-identity.ts";

/** The image file, whose bodies can be put closer together. */
export interface ErofsImageFile extends ImageFile {
  /**
   * After all releases, before anything is written: moves blocks of bodies to released ones, and ends the file behind them.
   * @param beforeEach called before each piece; may throw
   */
  move(moves: BlockMoves, beforeEach: () => void): void;
}

export interface ErofsMetadataInput {
  readonly file: ErofsImageFile;
  readonly tree: RootfsTree;
  readonly bodies: BodyMap;
  /** Past the last block of any layer's stream, at least 1. From here on the file was never written. */
  readonly firstFreeBlock: number;
  readonly identity: Pick<ImageIdentity, "uuid" | "epochSeconds">;
  /** Asked every few milliseconds. */
  isCancelled(): boolean;
}

export interface ErofsMetadataResult {
  /** Blocks of the image. */
  readonly blocks: number;
  /** Extended attributes that EROFS has no place for, by path; like `SealedRootfs.omissions`. */
  readonly omissions: readonly string[];
}
