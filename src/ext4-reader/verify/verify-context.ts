import type { DamageLog } from "../../image-reader/damage.ts";
import type { Volume } from "../volume.ts";
import type { BlockUsage } from "./block-usage.ts";
import type { InodeIndex } from "./inode-index.ts";

/** What the steps of one verification share. */
export interface VerifyContext {
  readonly volume: Volume;
  readonly damage: DamageLog;
  readonly usage: BlockUsage;
  readonly inodes: InodeIndex;
  /** Blocks of attributes with one inode that has them, an element a pair: `block * 2^32 + inode`. */
  readonly xattrBlocks: PairList;
  /** Groups whose bitmaps or table lie where something else does. */
  readonly sharedTables: Set<number>;
  /** Directories among the inodes of each group. */
  readonly directoriesOf: Uint32Array;
  /** Inodes in use of each group, by its inode bitmap. */
  readonly inodesOf: Uint32Array;
  /** Lets other work of the process go on now and then. @throws ImportError when cancelled */
  readonly breathe: () => Promise<void>;
}

/** A growing list of pairs of 32-bit numbers. */
export interface PairList {
  readonly add: (first: number, second: number) => void;
  /** In the order of the first numbers, then of the second. */
  readonly sorted: () => BigUint64Array;
}

export function createPairList(): PairList {
  let pairs = new BigUint64Array(1024);
  let count = 0;
  return {
    add: (first, second) => {
      if (count === pairs.length) {
        const larger = new BigUint64Array(pairs.length * 2);
        larger.set(pairs);
        pairs = larger;
      }
      pairs[count++] = (BigInt(first) << 32n) | BigInt(second);
    },
    sorted: () => {
      const all = pairs.slice(0, count);
      all.sort();
      return all;
    },
  };
}
