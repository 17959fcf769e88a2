/** Neighbouring blocks of a file that are neighbours on the disk. */
export interface BlockRun {
  readonly logicalBlock: number;
  readonly physicalBlock: number;
  readonly blocks: number;
  /** False: allocated, reads as zeros. */
  readonly written: boolean;
}

/** What a walk through an inode's block map meets, in logical order. Runs lie on the disk. */
export type MapStep =
  | { readonly kind: "run"; readonly run: BlockRun }
  | { readonly kind: "problem"; readonly problem: string; readonly block?: number };

/**
 * Asked before a block of the map itself is read; false leaves out what is below it. Attack: a tree whose branches share
 * their blocks has more leaves than the disk has blocks; whoever walks all trees refuses a block that was seen.
 */
export type EnterMapBlock = (block: number) => boolean;
