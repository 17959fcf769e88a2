import { decodeXattrs, type Xattr } from "../layer/xattr-list.ts";
import { xattrsOf, type RootfsTree } from "./rootfs-tree.ts";

/** The extended attributes of an inode, sorted by name; views, valid as long as the tree. */
export function decodedXattrsOf(tree: RootfsTree, inode: number): readonly Xattr[] {
  return tree.xattrLengths[inode] === 0 ? [] : decodeXattrs(xattrsOf(tree, inode));
}
