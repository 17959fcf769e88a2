import { printable } from "../../errors.ts";
import { typeName } from "../../image-reader/file-type.ts";
import { recordAt, hasTail, tailChecksumHolds, type DirectoryRecord } from "../directory-blocks.ts";
import { DIRECTORY_TAIL_BYTES, INO } from "../format.ts";
import { createHalfMd4 } from "../half-md4.ts";
import { planDirectory, ROLE, type DirectoryPlan } from "./directory-plan.ts";
import { directoryBlocks, rawInode, viewDirectory, type DirectoryView } from "./directory-view.ts";
import { createNameWatch } from "./name-watch.ts";
import type { VerifyContext } from "./verify-context.ts";

const DIRECTORY = 2;
const SLASH = 0x2f;
/** Broken blocks of one directory that are reported; a directory of garbage is left then. */
const MOST_BROKEN_BLOCKS = 20;

/** One directory under check. */
interface DirectoryCheck {
  readonly context: VerifyContext;
  readonly view: DirectoryView;
  readonly plan: DirectoryPlan;
  /** Of the directory in the index of inodes. */
  readonly index: number;
  readonly report: (problem: string, block?: number) => void;
  readonly onName: (block: Buffer, record: DirectoryRecord) => void;
}

/** Reads every directory, checks its records and its index, and counts the names of all inodes. */
export async function checkDirectories(context: VerifyContext): Promise<void> {
  const { volume, inodes, damage } = context;
  const hash = createHalfMd4(volume.superblock.hashSeed, volume.superblock.unsignedHash);
  const names = createNameWatch(hash);
  for (let index = 0; index < inodes.count; index++) {
    if (inodes.typeAt(index) !== DIRECTORY || !inodes.isReadable(index)) continue;
    const number = inodes.numberAt(index);
    const inode = rawInode(volume, number);
    if (inode === undefined) continue;
    const view = viewDirectory(volume, inode);
    // A size without blocks was reported with the inode.
    if (view.blocks === 0) continue;
    const report = (problem: string, block?: number): void =>
      damage.add({
        what: "directory",
        inode: number,
        ...(block === undefined ? {} : { block }),
        problem,
      });
    const plan = planDirectory(volume, view);
    for (const { problem, block } of plan.problems) report(problem, block);
    names.begin();
    const onName = (block: Buffer, { nameStart, nameEnd }: DirectoryRecord): void =>
      names.add(block, nameStart, nameEnd);
    await scan({ context, view, plan, index, report, onName });
    for (const name of names.duplicates(() => scannedNames(context, view, plan))) {
      report(`it has the name "${printable(name)}" twice`);
    }
  }
}

async function scan(check: DirectoryCheck): Promise<void> {
  const { context, view } = check;
  let broken = 0;
  for (const block of directoryBlocks(context.volume, view)) {
    if (!checkBlock(check, block) && ++broken >= MOST_BROKEN_BLOCKS) {
      check.report("the rest of it is not looked at");
      return;
    }
    await context.breathe();
  }
}

/** @returns false when its records could not be followed to its end */
function checkBlock(
  check: DirectoryCheck,
  {
    logical,
    physical,
    bytes,
  }: { readonly logical: number; readonly physical: number; readonly bytes: Buffer },
): boolean {
  const { context, view, plan, report } = check;
  const role = plan.roles[logical];
  // What no index names is reported already, and holds no names that a look-up finds.
  if (role === ROLE.node || role === ROLE.unused) return true;
  const { hasChecksums } = context.volume.superblock;
  const tailed = role === ROLE.leaf && hasChecksums;
  if (tailed && !hasTail(bytes)) report("a block of it has no place for its checksum", physical);
  else if (tailed && !tailChecksumHolds(bytes, view.seed)) {
    report("a block of it has a wrong checksum", physical);
  }
  const end = bytes.length - (tailed ? DIRECTORY_TAIL_BYTES : 0);
  let at = logical === 0 ? checkDots(check, bytes, { end, physical }) : 0;
  if (role === ROLE.root) return at === end;
  const order = leafOrder(plan, logical);
  while (at < end) {
    const record = recordAt(bytes, at, end);
    if (typeof record === "string") {
      report(`a record of it cannot be read: ${record}`, physical);
      return false;
    }
    if (record.inode !== 0) {
      checkRecord(check, bytes, { record, physical });
      if (order !== undefined && !order(bytes, record)) {
        report("a name of it is where its index does not lead", physical);
      }
    }
    at += record.length;
  }
  return true;
}

/** Whether a name may stand in a leaf, by its hash. */
function leafOrder(
  { hash, low, high }: DirectoryPlan,
  logical: number,
): ((block: Buffer, record: DirectoryRecord) => boolean) | undefined {
  if (hash === undefined) return undefined;
  const from = low[logical]!;
  const to = high[logical]!;
  return (block, { nameStart, nameEnd }) => {
    const { major } = hash(block, nameStart, nameEnd);
    // An odd limit: names of the even hash below it begin in the leaf before and go on in the next.
    if (major < from - (from % 2)) return false;
    return to % 2 === 0 ? major < to : to === 0xffffffff || major <= to - 1;
  };
}

/** The records of `.` and `..`, which come first. @returns where the others begin */
function checkDots(
  { context, view, plan, index, report }: DirectoryCheck,
  bytes: Buffer,
  { end, physical }: { readonly end: number; readonly physical: number },
): number {
  const { inodes } = context;
  const { number } = view.inode;
  const indexed = plan.roles[0] === ROLE.root;
  const dot = recordAt(bytes, 0, end);
  if (typeof dot === "string" || !isNamed(bytes, dot, ".") || dot.inode !== number) {
    report("it does not begin with itself", physical);
    return end;
  }
  if (dot.type !== DIRECTORY) report("its own record says that it is no directory", physical);
  inodes.addName(index);
  const dotDot = recordAt(bytes, dot.length, end);
  if (typeof dotDot === "string" || !isNamed(bytes, dotDot, "..") || dotDot.inode === 0) {
    report("it does not lead to its parent", physical);
    return end;
  }
  if (dotDot.type !== DIRECTORY) report("the record of its parent says no directory", physical);
  inodes.setDotDot(index, dotDot.inode);
  const parent = inodes.indexOf(dotDot.inode);
  if (parent !== -1) inodes.addName(parent);
  const after = dotDot.at + dotDot.length;
  if (indexed && (dot.length !== 12 || after !== end)) {
    report("its index is not hidden from linear readers", physical);
    return end;
  }
  return after;
}

function checkRecord(
  { context, report, view, onName }: DirectoryCheck,
  bytes: Buffer,
  { record, physical }: { readonly record: DirectoryRecord; readonly physical: number },
): void {
  const { inodes } = context;
  const { nameStart, nameEnd, inode, type } = record;
  const label = (): string => `"${printable(bytes.subarray(nameStart, nameEnd))}"`;
  if (!isPlainName(bytes, record)) {
    report(`it has the name ${label()}, which cannot be`, physical);
  }
  onName(bytes, record);
  const target = inodes.indexOf(inode);
  if (target === -1) {
    report(`${label()} leads to inode ${inode}, which is not in use`, physical);
    return;
  }
  inodes.addName(target);
  const found = inodes.typeAt(target);
  if (found !== type) {
    report(`${label()} says ${typeName(type)} of inode ${inode}, a ${typeName(found)}`, physical);
  }
  if (inode === INO.root) report(`${label()} leads to the root`, physical);
  else if (inodes.parentAt(target) === 0) inodes.setParent(target, view.inode.number);
  else if (found === DIRECTORY) {
    const problem = `${label()} is a second name of the directory of inode ${inode}`;
    report(problem, physical);
  }
}

function isNamed(bytes: Buffer, { nameStart, nameEnd }: DirectoryRecord, name: string): boolean {
  return bytes.toString("latin1", nameStart, nameEnd) === name;
}

function isPlainName(bytes: Buffer, record: DirectoryRecord): boolean {
  for (let at = record.nameStart; at < record.nameEnd; at++) {
    if (bytes[at] === 0 || bytes[at] === SLASH) return false;
  }
  return !isNamed(bytes, record, ".") && !isNamed(bytes, record, "..");
}

/** The names once more, for a second look at those that may be there twice. */
function* scannedNames(
  { volume }: VerifyContext,
  view: DirectoryView,
  plan: DirectoryPlan,
): Generator<Buffer, void, undefined> {
  for (const { logical, bytes } of directoryBlocks(volume, view)) {
    if (plan.roles[logical] !== ROLE.leaf) continue;
    for (let at = 0; at < bytes.length;) {
      const record = recordAt(bytes, at, bytes.length);
      if (typeof record === "string") break;
      if (record.inode !== 0) yield bytes.subarray(record.nameStart, record.nameEnd);
      at += record.length;
    }
  }
}
