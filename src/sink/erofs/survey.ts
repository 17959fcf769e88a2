import {
  NONE,
  pathOf,
  S_IFLNK,
  S_IFREG,
  typeOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { BLOCK_BYTES } from "../block-placement.ts";
import type { BlockUsage } from "../block-usage.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import { Omissions } from "../omissions.ts";
import { beyondFormat, requireStorableTarget } from "../storable.ts";
import type { TreeNumbers } from "../tree-numbers.ts";
import type { XattrPlans } from "../xattr-plans.ts";
import { MOST_BLOCKS } from "./format.ts";
import type { ErofsMetadataInput } from "./metadata-input.ts";
import type { XattrArea } from "./xattr-area.ts";

/** What bodies with holes are counted in (`SparseBodies`). */
const MAX_FILE_BYTES = MOST_BLOCKS * BLOCK_BYTES;

export interface SurveyParts {
  readonly numbers: TreeNumbers;
  readonly xattrs: XattrPlans<XattrArea>;
  /** Gets the blocks of all bodies. */
  readonly usage: BlockUsage;
}

/**
 * Looks at every inode before anything is written: marks the blocks of the bodies, and finds what EROFS cannot hold.
 * @throws ImportError ERR_LIMIT_EXCEEDED, ERR_LAYER_CORRUPT, ERR_CANCELLED
 */
export function surveyTree(
  input: ErofsMetadataInput,
  { numbers, xattrs, usage }: SurveyParts,
): Omissions {
  const { tree, bodies } = input;
  const omissions = new Omissions();
  for (let number = 1; number <= numbers.last; number++) {
    throwWhenCancelled(input, number - 1);
    const name = numbers.names[number]!;
    if (name === NONE) continue;
    const inode = tree.inodes[name]!;
    requireStorable(tree, name);
    for (const what of xattrs.planOf(inode, name).leftOut) note(omissions, tree, name, what);
    const body = tree.bodies[inode]!;
    if (typeOf(tree, inode) !== S_IFREG || body === -1) continue;
    for (const { physicalBlock, blocks } of bodies.extentsOf(body, tree.sizes[inode]!)) {
      usage.mark(physicalBlock, blocks);
    }
  }
  return omissions;
}

function requireStorable(tree: RootfsTree, name: number): void {
  const inode = tree.inodes[name]!;
  const size = tree.sizes[inode]!;
  if (size > MAX_FILE_BYTES) {
    const has = `${size} bytes`;
    throw beyondFormat(tree, name, { has, format: "EROFS", limit: MAX_FILE_BYTES });
  }
  if (typeOf(tree, inode) === S_IFLNK) requireStorableTarget(tree, name, "EROFS");
}

function note(omissions: Omissions, tree: RootfsTree, name: number, what: string): void {
  omissions.add(omissions.takesLines ? pathOf(tree, name) : Buffer.alloc(0), what);
}
