import type { DamageLog } from "../../image-reader/damage.ts";
import type { ErofsVolume } from "../volume.ts";
import type { FoundInodes } from "./found-inodes.ts";
import type { ImageUsage } from "./image-usage.ts";

/** What the steps of one verification share. */
export interface VerifyContext {
  readonly volume: ErofsVolume;
  readonly damage: DamageLog;
  readonly usage: ImageUsage;
  readonly inodes: FoundInodes;
  /** Of the record of the import: damage to `data` is told in its blocks, whatever the superblock says by now. */
  readonly recordedBlockSize: number;
  /** Lets other work of the process go on now and then. @throws ImportError when cancelled */
  readonly breathe: () => Promise<void>;
}
