/** Parts of an image that `verify` names. */
export type DamagedPart =
  | "image"
  | "superblock"
  | "group descriptor"
  | "block bitmap"
  | "inode bitmap"
  | "inode table"
  | "inode"
  | "block map"
  | "directory"
  | "attributes"
  | "journal"
  | "orphan file"
  | "data";

/** One thing that is wrong. Text is printable. */
export interface Damage {
  readonly what: DamagedPart;
  readonly inode?: number;
  /** Of the inode, where a directory names it. */
  readonly path?: string;
  readonly block?: number;
  readonly problem: string;
}

/** Damage as a step reports it. */
export interface Finding extends Damage {
  /** The report says which inodes own so many blocks from `block` on; they are looked up at the end. */
  readonly findOwners?: number;
}

/**
 * What was found so far. Attack: an image where everything is wrong; the list ends, the count goes on. It ends for each
 * kind of part by itself: one wrong inode that makes hundreds of others look wrong doesn't hide that bytes have changed.
 */
export interface DamageLog {
  readonly add: (finding: Finding) => void;
  readonly list: readonly Finding[];
  readonly count: () => number;
}

/** Of a kind of part. */
export const MOST_DAMAGE_LISTED = 100;

export function createDamageLog(): DamageLog {
  const list: Finding[] = [];
  const listed = new Map<DamagedPart, number>();
  let count = 0;
  return {
    list,
    count: () => count,
    add: (finding) => {
      count++;
      const alike = listed.get(finding.what) ?? 0;
      if (alike === MOST_DAMAGE_LISTED) return;
      listed.set(finding.what, alike + 1);
      list.push(finding);
    },
  };
}

/** Of an image whose file system could not be opened. */
export function unnamed({ what, block, problem }: Finding): Damage {
  return { what, ...(block === undefined ? {} : { block }), problem };
}
