import { INO, LARGEST_LINK_COUNT } from "../format.ts";
import type { VerifyContext } from "./verify-context.ts";

const DIRECTORY = 2;
const CONNECTED = 1;
const DETACHED = 2;

/** Compares link counts and `..` with the names that were found, and looks for what no path leads to. */
export async function checkLinks(context: VerifyContext): Promise<void> {
  const { inodes, damage } = context;
  const root = inodes.indexOf(INO.root);
  if (root === -1 || inodes.typeAt(root) !== DIRECTORY) {
    damage.add({ what: "inode", inode: INO.root, problem: "the root is not a directory" });
  }
  const ways = new Uint8Array(inodes.count);
  if (root !== -1) ways[root] = CONNECTED;
  for (let index = 0; index < inodes.count; index++) {
    const inode = inodes.numberAt(index);
    for (const problem of linkProblems(context, index))
      damage.add({ what: "inode", inode, problem });
    if (inodes.typeAt(index) === DIRECTORY && leadsInACircle(context, index, ways)) {
      damage.add({ what: "directory", inode, problem: "its parents lead in a circle" });
    }
    if (index % 4096 === 0) await context.breathe();
  }
}

function* linkProblems(
  { inodes }: VerifyContext,
  index: number,
): Generator<string, void, undefined> {
  const number = inodes.numberAt(index);
  const isDirectory = inodes.typeAt(index) === DIRECTORY;
  const parent = number === INO.root ? INO.root : inodes.parentAt(index);
  if (parent === 0) {
    yield "no directory has a name for it";
    return;
  }
  const names = inodes.namesAt(index);
  const counted = inodes.linksAt(index);
  // A directory with more sub-directories than a count can hold has 1.
  const wanted = isDirectory && names > LARGEST_LINK_COUNT ? 1 : names;
  if (counted !== wanted && (!isDirectory || inodes.isReadable(index))) {
    yield `it counts ${counted} links; there are ${wanted}`;
  }
  const dotDot = inodes.dotDotAt(index);
  if (isDirectory && dotDot !== 0 && dotDot !== parent) {
    yield `its \`..\` is inode ${dotDot}; its name is in inode ${parent}`;
  }
}

/** Follows the parents of a directory, each step once in all. @param ways what is known of each inode so far */
function leadsInACircle({ inodes }: VerifyContext, start: number, ways: Uint8Array): boolean {
  const path: number[] = [];
  let at = start;
  while (ways[at] === 0) {
    ways[at] = DETACHED;
    path.push(at);
    at = inodes.indexOf(inodes.parentAt(at));
    if (at === -1) return false;
  }
  if (ways[at] === CONNECTED) for (const index of path) ways[index] = CONNECTED;
  // Met on this very walk, and not by one that ended at a directory without a name.
  return path.includes(at);
}
