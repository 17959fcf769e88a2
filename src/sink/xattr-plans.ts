import { pathOf, S_IFMT, xattrListOf, type RootfsTree, type Xattr } from "../rootfs/rootfs-tree.ts";

/** Plans that are kept: most images give every file the same few lists, some give each its own. */
const KEPT_PLANS = 512;

/**
 * How a file system stores the attributes of one inode.
 * @param type of the inode, its `S_IFMT` bits
 * @param path of the inode, for the error
 */
export type PlanXattrs<Plan> = (
  xattrs: readonly Xattr[],
  type: number,
  path: () => Uint8Array,
) => Plan;

/** Plans the attributes of inodes, once for each different list. */
export class XattrPlans<Plan> {
  readonly #tree: RootfsTree;
  readonly #none: Plan;
  readonly #plan: PlanXattrs<Plan>;
  /** By where the list lies in the tree, and the type of the inode. */
  readonly #plans = new Map<number, Plan>();

  /** @param none of an inode without attributes */
  constructor(tree: RootfsTree, none: Plan, plan: PlanXattrs<Plan>) {
    this.#tree = tree;
    this.#none = none;
    this.#plan = plan;
  }

  /** @param name of the inode, for the error @throws ImportError ERR_LIMIT_EXCEEDED for attributes that do not fit */
  planOf(inode: number, name: number): Plan {
    const tree = this.#tree;
    if (tree.xattrLengths[inode] === 0) return this.#none;
    const type = tree.modes[inode]! & S_IFMT;
    const key = tree.xattrOffsets[inode]! * 16 + (type >>> 12);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = this.#plan(xattrListOf(tree, inode), type, () => pathOf(tree, name));
    if (this.#plans.size >= KEPT_PLANS) this.#plans.clear();
    this.#plans.set(key, plan);
    return plan;
  }
}
