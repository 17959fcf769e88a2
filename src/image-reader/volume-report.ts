import type { RecordedBytes } from "./check-recorded-bytes.ts";
import type { Damage } from "./damage.ts";

/** What the check of a disk image found. */
export interface VolumeReport {
  /** The first 100 things that are wrong of each kind of part. */
  readonly damage: readonly Damage[];
  /** All of them. */
  readonly damageCount: number;
  /** 0 each when the file system could not be opened. */
  readonly blocks: number;
  readonly usedBlocks: number;
  readonly inodes: number;
  /** Compared with what was recorded. */
  readonly checkedBytes: number;
}

export interface VerifyOptions {
  readonly signal: AbortSignal;
  /** What the bytes were when the image was made; without it only the structure is checked. */
  readonly recorded?: RecordedBytes;
}
