import {
  nextName,
  NONE,
  ROOT,
  S_IFDIR,
  typeOf,
  type RootfsTree,
} from "../../rootfs/rootfs-tree.ts";
import { Role } from "./seal-steps.ts";

/** Names a task: few enough to cancel soon and to share out evenly, many enough to keep directories together. */
const RUN_NAMES = 4096;
/** More tasks than this cost more than they balance. */
const MOST_RUNS = 256;

export interface SealPlan {
  readonly roles: Uint8Array;
  /** Parents before children. */
  readonly earlyDirectories: Uint32Array;
  readonly runs: readonly { readonly firstName: number; readonly count: number }[];
  /** Runs of pairs: a name, and the first name of its inode. */
  readonly hardLinks: readonly Uint32Array[];
  /** Children before parents; ROOT is the last. */
  readonly lateDirectories: Uint32Array;
}

/**
 * Cuts the tree into runs of names that tasks make side by side, and finds what must be done before and after. A
 * directory lies wholly within one run, unless a cut goes through it: those, the ancestors of each run's first name, are made
 * before and set afterwards. So are, afterwards, the ancestors of both names of a hard link: a mode set too early could
 * lock an ordinary user out, and a name made too late would change the time.
 *
 * The plan depends on nothing but the tree, so that lists of omissions are the same on every machine.
 */
export function planSeal(
  tree: RootfsTree,
  runNames: number = Math.max(RUN_NAMES, Math.ceil(tree.entries / MOST_RUNS)),
): SealPlan {
  const roles = new Uint8Array(new SharedArrayBuffer(tree.nameCount));
  const early: number[] = [];
  const late: number[] = [];
  const runs: { firstName: number; count: number }[] = [];
  const pairs: number[] = [];
  const firstNames = new Map<number, number>();

  roles[ROOT] = Role.early;
  markAncestors(tree, ROOT, { roles, role: Role.late, list: late });
  for (let name: number = ROOT; name !== NONE; name = nextName(tree, name)) {
    const run = runs.at(-1);
    if (run === undefined || run.count === runNames) {
      runs.push({ firstName: name, count: 1 });
      const parent = tree.parents[name]!;
      markAncestors(tree, parent, { roles, role: Role.early, list: early });
      markAncestors(tree, parent, { roles, role: Role.late, list: late });
    } else run.count++;
    const inode = tree.inodes[name]!;
    if (tree.linkCounts[inode]! < 2 || typeOf(tree, inode) === S_IFDIR) continue;
    const first = firstNames.get(inode);
    if (first === undefined) firstNames.set(inode, name);
    else {
      roles[name]! |= Role.hardLink;
      pairs.push(name, first);
      for (const end of [name, first]) {
        markAncestors(tree, tree.parents[end]!, { roles, role: Role.late, list: late });
      }
    }
  }
  return {
    roles,
    earlyDirectories: Uint32Array.from(early),
    runs,
    hardLinks: chunked(pairs, 2 * runNames),
    lateDirectories: Uint32Array.from(late).toReversed(),
  };
}

/** Marks `directory` and all above it; `list` gets the new ones, parents first. Above a marked one, all are marked. */
function markAncestors(
  tree: RootfsTree,
  directory: number,
  { roles, role, list }: { readonly roles: Uint8Array; readonly role: number; list: number[] },
): void {
  const chain: number[] = [];
  for (let at = directory; (roles[at]! & role) === 0; at = tree.parents[at]!) {
    roles[at]! |= role;
    chain.push(at);
  }
  for (let index = chain.length - 1; index >= 0; index--) list.push(chain[index]!);
}

function chunked(numbers: readonly number[], size: number): readonly Uint32Array[] {
  const chunks: Uint32Array[] = [];
  for (let at = 0; at < numbers.length; at += size) {
    chunks.push(Uint32Array.from(numbers.slice(at, at + size)));
  }
  return chunks;
}
