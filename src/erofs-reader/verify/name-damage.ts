import { printable } from "../../errors.ts";
import type { Damage, Finding } from "../../image-reader/damage.ts";
import { contentSteps } from "../content-runs.ts";
import { isDotName, recordAt, recordCount } from "../directory-block.ts";
import { directoryBlocks } from "../directory-entries.ts";
import { SLOT_BYTES } from "../format.ts";
import { inodeAt, inodePosition, type ErofsInode } from "../inode.ts";
import { storedXattrs } from "../xattrs.ts";
import type { VerifyContext } from "./verify-context.ts";

/** A path that is longer is shown from its end. */
const MOST_COMPONENTS = 256;
const MOST_OWNERS_NAMED = 3;
/** Attack: the directories of deep paths have as many names as the image holds; then damage stays without paths. */
const MOST_NAMES_READ = 20_000_000;

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
  const texts = others.map((it) => `inode ${it} (${paths.pathOf(it) ?? "without a path"})`);
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

/** Paths through the directories by which inodes were found. */
class PathFinder {
  readonly #context: VerifyContext;
  /** By index. */
  readonly #names = new Map<number, string | undefined>();
  #namesRead = 0;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** Undefined when a directory on the way cannot be read any more. */
  pathOf(nid: number): string | undefined {
    const { inodes } = this.#context;
    const names: string[] = [];
    // Each was found by a name in its parent, which was found before it: this ends at the root.
    for (let at = inodes.indexOf(nid); at > 0; at = inodes.parentAt(at)) {
      if (names.length === MOST_COMPONENTS) return ["…", ...names.toReversed()].join("/");
      const name = this.#nameOf(at);
      if (name === undefined) return undefined;
      names.push(name);
    }
    return `/${names.toReversed().join("/")}`;
  }

  #nameOf(index: number): string | undefined {
    if (!this.#names.has(index)) this.#names.set(index, this.#findName(index));
    return this.#names.get(index);
  }

  #findName(index: number): string | undefined {
    const { volume, inodes } = this.#context;
    const directory = inodeAt(volume, inodes.nidAt(inodes.parentAt(index)));
    if (typeof directory === "string") return undefined;
    const nid = inodes.nidAt(index);
    for (const { bytes } of directoryBlocks(volume, directory)) {
      const count = recordCount(bytes);
      if (typeof count === "string") continue;
      for (let at = 0; at < count; at++) {
        if (++this.#namesRead > MOST_NAMES_READ) return undefined;
        const record = recordAt(bytes, at, count);
        if (typeof record === "string") break;
        const name = bytes.subarray(record.nameStart, record.nameEnd);
        if (record.nid === nid && !isDotName(name)) return printable(name);
      }
    }
    return undefined;
  }
}

/** Inodes that have bytes of a range. */
interface Owners {
  /** The first few. */
  readonly named: readonly number[];
  readonly count: number;
}

/** Bytes whose owners are wanted, with what was found of them so far. */
interface Wanted {
  readonly finding: Finding;
  readonly start: number;
  readonly end: number;
  readonly named: number[];
  count: number;
  last: number;
}

/** Looks through what each inode owns once. */
async function findOwners(
  context: VerifyContext,
  findings: readonly Finding[],
): Promise<ReadonlyMap<Finding, Owners>> {
  const { volume, inodes, recordedBlockSize } = context;
  const wanted = findings.flatMap((finding): Wanted[] => {
    const { block, findOwners: blocks } = finding;
    if (block === undefined || blocks === undefined) return [];
    const blockSize = finding.what === "data" ? recordedBlockSize : volume.superblock.blockSize;
    const [start, end] = [block * blockSize, (block + blocks) * blockSize];
    return [{ finding, start, end, named: [], count: 0, last: -1 }];
  });
  const note = (nid: number, start: number, end: number): void => {
    for (const range of wanted) {
      if (start >= range.end || end <= range.start || range.last === nid) continue;
      range.last = nid;
      range.count++;
      if (range.named.length < MOST_OWNERS_NAMED) range.named.push(nid);
    }
  };
  for (let index = 0; index < inodes.count && wanted.length > 0; index++) {
    const nid = inodes.nidAt(index);
    const inode = inodeAt(volume, nid);
    const isSound = typeof inode !== "string" && inodes.stateAt(index) === "sound";
    const ranges = isSound ? ownedRanges(context, inode) : [headOf(context, nid)];
    for (const { at, end } of ranges) note(nid, at, end);
    await context.breathe();
  }
  return new Map(wanted.map((range) => [range.finding, range]));
}

interface OwnedRange {
  readonly at: number;
  readonly end: number;
}

/** Of an inode that is damaged: what it says of the rest may lie over others, and be read without end. */
function headOf({ volume }: VerifyContext, nid: number): OwnedRange {
  const at = inodePosition(volume, nid);
  return { at, end: at + SLOT_BYTES };
}

function* ownedRanges(
  { volume }: VerifyContext,
  inode: ErofsInode,
): Generator<OwnedRange, void, undefined> {
  yield { at: inode.at, end: inode.end };
  for (const stored of storedXattrs(volume, inode)) {
    if (typeof stored !== "string" && stored.isShared) yield stored;
  }
  for (const step of contentSteps(volume, inode)) {
    if (typeof step !== "string" && step.at !== undefined) {
      yield { at: step.at, end: step.at + step.bytes };
    }
  }
}
