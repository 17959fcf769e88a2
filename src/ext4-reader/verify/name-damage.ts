import { printable } from "../../errors.ts";
import type { Damage, Finding } from "../../image-reader/damage.ts";
import { mapSteps } from "../block-runs.ts";
import { directoryEntries, isDotName } from "../directory-entries.ts";
import { INO } from "../format.ts";
import { BlockUsage } from "./block-usage.ts";
import { rawInode } from "./directory-view.ts";
import type { VerifyContext } from "./verify-context.ts";

/** A path that is longer is shown from its end. */
const MOST_COMPONENTS = 256;
/** Deeper, the way up is taken for one without end. */
const MOST_STEPS = 65_536;
const MOST_OWNERS_NAMED = 3;

/** Attack: the directories of deep paths have as many names as the disk holds; then damage stays without paths. */
const MOST_NAMES_READ = 20_000_000;
/** Inodes that have blocks of a range. */
interface Owners {
  /** The first few. */
  readonly named: readonly number[];
  readonly count: number;
}

/** Gives the findings their paths, and blocks that are not what they should be their owners. */
export async function nameDamage(
  context: VerifyContext,
  findings: readonly Finding[],
): Promise<readonly Damage[]> {
  const owners = await findOwners(context, findings);
  const paths = new PathFinder(context);
  return findings.map((finding) => named(paths, finding, owners.get(finding)));
}

function named(paths: PathFinder, finding: Finding, owners: Owners | undefined): Damage {
  const { what, block, problem } = finding;
  const others = (owners?.named ?? []).filter((owner) => owner !== finding.inode);
  const inode = finding.inode ?? others.shift();
  const path = inode === undefined ? undefined : paths.pathOf(inode);
  const texts = others.map((it) => `inode ${it} (${paths.pathOf(it) ?? "without a name"})`);
  const more = (owners?.count ?? 0) - (owners?.named.length ?? 0);
  if (more > 0) texts.push(`${more} more`);
  return {
    what,
    ...(inode === undefined ? {} : { inode }),
    ...(path === undefined ? {} : { path }),
    ...(block === undefined ? {} : { block }),
    problem: texts.length === 0 ? problem : `${problem}; also of ${texts.join(", ")}`,
  };
}

/** Paths through the directories that name an inode. */
class PathFinder {
  readonly #context: VerifyContext;
  /** By inode. */
  readonly #names = new Map<number, Buffer | undefined>();
  #namesRead = 0;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** Undefined when the directories do not lead up to the root. */
  pathOf(number: number): string | undefined {
    const { inodes } = this.#context;
    const names: string[] = [];
    let at = number;
    for (let step = 0; at !== INO.root; step++) {
      const index = inodes.indexOf(at);
      const parent = index === -1 ? 0 : inodes.parentAt(index);
      if (parent === 0 || step >= MOST_STEPS) return undefined;
      if (step < MOST_COMPONENTS) {
        const name = this.#nameOf(at, parent);
        if (name === undefined) return undefined;
        names.push(printable(name));
      }
      at = parent;
      if (step === MOST_COMPONENTS) names.push("…");
    }
    return names.at(-1) === "…" ? names.toReversed().join("/") : `/${names.toReversed().join("/")}`;
  }

  #nameOf(number: number, directory: number): Buffer | undefined {
    if (!this.#names.has(number)) this.#names.set(number, this.#nameIn(directory, number));
    return this.#names.get(number);
  }

  #nameIn(directory: number, child: number): Buffer | undefined {
    const { volume } = this.#context;
    const inode = rawInode(volume, directory);
    if (inode === undefined) return undefined;
    try {
      for (const { inode: found, name } of directoryEntries(volume, inode)) {
        if (++this.#namesRead > MOST_NAMES_READ) return undefined;
        if (found === child && !isDotName(name)) return name;
      }
    } catch {
      // The directory is damaged itself, which the report says; what it names stays without a path.
    }
    return undefined;
  }
}

/** Blocks whose owners are wanted, in order of their start, with what was found of them so far. */
interface Wanted {
  readonly finding: Finding;
  readonly start: number;
  readonly end: number;
  readonly named: number[];
  count: number;
  last: number;
}

/** Looks through the block maps of all inodes once. */
async function findOwners(
  context: VerifyContext,
  findings: readonly Finding[],
): Promise<ReadonlyMap<Finding, Owners>> {
  const wanted = findings.flatMap((finding): Wanted[] => {
    const { block, findOwners: blocks } = finding;
    if (block === undefined || blocks === undefined) return [];
    return [{ finding, start: block, end: block + blocks, named: [], count: 0, last: 0 }];
  });
  const { volume, inodes } = context;
  const note = (inode: number, start: number, blocks: number): void => {
    for (const range of wanted) {
      if (start >= range.end || start + blocks <= range.start || range.last === inode) continue;
      range.last = inode;
      range.count++;
      if (range.named.length < MOST_OWNERS_NAMED) range.named.push(inode);
    }
  };
  // Attack: maps that share their blocks; each is read once.
  const entered = new BlockUsage(volume.superblock);
  for (let index = 0; index < inodes.count && wanted.length > 0; index++) {
    const number = inodes.numberAt(index);
    const inode = rawInode(volume, number);
    if (inode === undefined) continue;
    if (inode.xattrBlock !== 0) note(number, inode.xattrBlock, 1);
    if (!isMapped(inodes.typeAt(index), inode.sizeBytes)) continue;
    const enter = (block: number): boolean => {
      note(number, block, 1);
      return entered.claim(block, 1) === undefined;
    };
    for (const step of mapSteps(volume, inode, enter)) {
      if (step.kind === "run") note(number, step.run.physicalBlock, step.run.blocks);
    }
    await context.breathe();
  }
  return new Map(wanted.map((range) => [range.finding, range]));
}

/** Files, directories, and links whose target has a block. */
function isMapped(type: number, sizeBytes: number): boolean {
  return type === 1 || type === 2 || (type === 7 && sizeBytes >= 60);
}
