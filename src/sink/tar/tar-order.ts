import { NONE, ROOT, S_IFDIR, typeOf, type RootfsTree } from "../../rootfs/rootfs-tree.ts";

const SLASH = 0x2f;

/**
 * All names, a directory before what is in it, so that their paths as a tar writes them (a directory's with a slash at the
 * end) are in the order of their bytes; the root, `./`, is the first. The order in which the tree grew does not show.
 * Without recursion: depth is the image's choice.
 */
export function* namesInTarOrder(tree: RootfsTree): Generator<number, void, undefined> {
  /** What is still to come of each directory on the way down, the next one last. */
  const stack: number[][] = [[ROOT]];
  for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
    const name = level.pop();
    if (name === undefined) {
      stack.pop();
      continue;
    }
    yield name;
    if (tree.firstChildren[name] !== NONE) stack.push(childrenBackwards(tree, name));
  }
}

function childrenBackwards(tree: RootfsTree, directory: number): number[] {
  const children: number[] = [];
  let child = tree.firstChildren[directory]!;
  for (; child !== NONE; child = tree.nextSiblings[child]!) children.push(child);
  return children.toSorted((a, b) => compareNames(tree, b, a));
}

/** As if a directory's name ended with its slash: `usr-x` before `usr/`, hence before all that is in it. */
function compareNames(tree: RootfsTree, a: number, b: number): number {
  const { nameBytes, nameOffsets, nameLengths } = tree;
  const [aAt, bAt] = [nameOffsets[a]!, nameOffsets[b]!];
  const [aLength, bLength] = [nameLengths[a]!, nameLengths[b]!];
  const shorter = Math.min(aLength, bLength);
  for (let at = 0; at < shorter; at++) {
    const difference = nameBytes[aAt + at]! - nameBytes[bAt + at]!;
    if (difference !== 0) return difference;
  }
  const aNext = aLength > shorter ? nameBytes[aAt + shorter]! : endOf(tree, a);
  const bNext = bLength > shorter ? nameBytes[bAt + shorter]! : endOf(tree, b);
  return aNext - bNext;
}

function endOf(tree: RootfsTree, name: number): number {
  return typeOf(tree, tree.inodes[name]!) === S_IFDIR ? SLASH : 0;
}
