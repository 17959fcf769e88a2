import { printable } from "../../errors.ts";
import { directoryEntries, isDotName } from "../directory-entries.ts";
import { mapSteps } from "../block-runs.ts";
import { INO } from "../format.ts";
import type { Damage, Finding } from "./damage.ts";
import { rawInode } from "./directory-view.ts";
import type { VerifyContext } from "./verify-context.ts";

/** A path that is longer is shown from its end. */
const MOST_COMPONENTS = 256;
const MOST_OWNERS = 3;

/** Gives the findings their paths, and blocks that are in use wrongly their owners. */
export async function nameDamage(
  context: VerifyContext,
  findings: readonly Finding[],
): Promise<readonly Damage[]> {
  const wanted = findings.flatMap(({ block, findOwners }) =>
    findOwners === undefined || block === undefined ? [] : [block],
  );
  const owners = await ownersOf(context, new Set(wanted));
  return findings.map((finding) => named(context, finding, owners));
}

function named(
  context: VerifyContext,
  { what, inode, block, problem, findOwners: wanted }: Finding,
  owners: ReadonlyMap<number, readonly number[]>,
): Damage {
  const found = wanted === undefined || block === undefined ? [] : (owners.get(block) ?? []);
  const others = found.filter((owner) => owner !== inode);
  const [shown, rest] = inode === undefined ? [others[0], others.slice(1)] : [inode, others];
  const path = shown === undefined ? undefined : pathOf(context, shown);
  const also = rest.map(
    (owner) => `inode ${owner} (${pathOf(context, owner) ?? "without a name"})`,
  );
  return {
    what,
    ...(shown === undefined ? {} : { inode: shown }),
    ...(path === undefined ? {} : { path }),
    ...(block === undefined ? {} : { block }),
    problem: also.length === 0 ? problem : `${problem}, also by ${also.join(", ")}`,
  };
}

/** The path of an inode through the directories that name it; undefined when they do not lead up to the root. */
function pathOf(context: VerifyContext, number: number): string | undefined {
  if (number === INO.root) return "/";
  const names: string[] = [];
  let at = number;
  while (at !== INO.root) {
    const index = context.inodes.indexOf(at);
    const parent = index === -1 ? 0 : context.inodes.parentAt(index);
    if (parent === 0 || names.length >= 65_536) return undefined;
    if (names.length < MOST_COMPONENTS) {
      const name = nameIn(context, parent, at);
      if (name === undefined) return undefined;
      names.push(printable(name));
    } else return `…/${names.toReversed().join("/")}`;
    at = parent;
  }
  return `/${names.toReversed().join("/")}`;
}

function nameIn({ volume }: VerifyContext, directory: number, child: number): Buffer | undefined {
  const inode = rawInode(volume, directory);
  if (inode === undefined) return undefined;
  try {
    for (const { inode: found, name } of directoryEntries(volume, inode)) {
      if (found === child && !isDotName(name)) return name;
    }
  } catch {
    // The directory is damaged itself, which the report says; what it names stays without a path.
  }
  return undefined;
}

/** The inodes that own the blocks, the first few of each. */
async function ownersOf(
  context: VerifyContext,
  blocks: ReadonlySet<number>,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const owners = new Map<number, number[]>();
  if (blocks.size === 0) return owners;
  const { volume, inodes } = context;
  const note = (block: number, inode: number): void => {
    const known = owners.get(block) ?? [];
    if (known.length < MOST_OWNERS && !known.includes(inode)) owners.set(block, [...known, inode]);
  };
  // Attack: maps that share their blocks; all walks together enter as many as the disk has.
  let entered = 0;
  for (let index = 0; index < inodes.count; index++) {
    const inode = rawInode(volume, inodes.numberAt(index));
    if (inode === undefined || inodes.typeAt(index) === 0) continue;
    if (blocks.has(inode.xattrBlock)) note(inode.xattrBlock, inode.number);
    const enter = (block: number): boolean => {
      if (blocks.has(block)) note(block, inode.number);
      return ++entered <= volume.superblock.blocks;
    };
    if (!isMapped(inodes.typeAt(index), inode.sizeBytes)) continue;
    for (const step of mapSteps(volume, inode, enter)) {
      if (step.kind !== "run") continue;
      const { physicalBlock, blocks: count } = step.run;
      for (const block of blocks) {
        if (block >= physicalBlock && block < physicalBlock + count) note(block, inode.number);
      }
    }
    await context.breathe();
  }
  return owners;
}

/** Files, directories, and links whose target has a block. */
function isMapped(type: number, sizeBytes: number): boolean {
  return type === 1 || type === 2 || (type === 7 && sizeBytes >= 60);
}
