import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { numberTree, type TreeNumbers } from "../tree-numbers.ts";
import { FIRST_INODE, ROOT_INODE } from "./format.ts";

export const LOST_FOUND: Uint8Array = Buffer.from("lost+found");

/** Numbers below `FIRST_INODE` that no inode of the tree has are reserved; that one may be a made `lost+found`. */
export interface InodeNumbers extends TreeNumbers {
  readonly lostFound: LostFound;
}

/**
 * `lost+found` is where e2fsck puts what it finds, and has the first free inode. "made": the image has none. "brought": the
 * image has that directory. "taken": the image has something else of that name, which stays what it is.
 */
export type LostFound = "made" | "brought" | "taken";

const LOST_FOUND_BY_RESERVED: Readonly<Record<TreeNumbers["reserved"], LostFound>> = {
  absent: "made",
  directory: "brought",
  taken: "taken",
};

export function numberInodes(tree: RootfsTree): InodeNumbers {
  const numbers = numberTree(tree, {
    root: ROOT_INODE,
    last: FIRST_INODE,
    reserved: { name: LOST_FOUND, number: FIRST_INODE },
  });
  return { ...numbers, lostFound: LOST_FOUND_BY_RESERVED[numbers.reserved] };
}
