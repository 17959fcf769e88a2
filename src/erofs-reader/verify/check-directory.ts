import { printable } from "../../errors.ts";
import { typeName } from "../../image-reader/file-type.ts";
import {
  isDotName,
  isPlainName,
  recordAt,
  recordCount,
  type DirectoryRecord,
} from "../directory-block.ts";
import { directoryBlocks } from "../directory-entries.ts";
import type { ErofsInode } from "../inode.ts";
import type { VerifyContext } from "./verify-context.ts";

const DIRECTORY = 2;
/** Broken blocks of one directory that are reported; a directory of garbage is left then. */
const MOST_BROKEN_BLOCKS = 20;

/** One directory under check. */
interface DirectoryCheck {
  readonly context: VerifyContext;
  readonly directory: ErofsInode;
  readonly index: number;
  readonly report: (problem: string, block: number) => void;
  /** The name before, to which the next is compared. */
  before: Buffer | undefined;
  hasDot: boolean;
  hasDotDot: boolean;
}

/** Checks the names of a directory that may be read, and takes note of the inodes that they lead to. */
export async function checkDirectory(
  context: VerifyContext,
  index: number,
  directory: ErofsInode,
): Promise<void> {
  const { volume, damage, inodes } = context;
  const { blockSize } = volume.superblock;
  const check: DirectoryCheck = {
    context,
    directory,
    index,
    report: (problem, block) =>
      damage.add({ what: "directory", inode: directory.number, block, problem }),
    before: undefined,
    hasDot: false,
    hasDotDot: false,
  };
  let block = Math.floor(directory.at / blockSize);
  let broken = 0;
  for (const { at, bytes } of directoryBlocks(volume, directory)) {
    block = Math.floor(at / blockSize);
    if (!checkBlock(check, bytes, block) && ++broken >= MOST_BROKEN_BLOCKS) {
      check.report("the rest of it is not looked at", block);
      break;
    }
    await context.breathe();
  }
  if (!check.hasDot) check.report("it does not lead to itself", block);
  if (!check.hasDotDot) check.report("it does not lead to its parent", block);
  // What is missing was told; the counts of links are not to tell it again.
  inodes.addName(index);
  inodes.addName(inodes.parentAt(index));
}

/** @returns false when its records cannot be read */
function checkBlock(check: DirectoryCheck, bytes: Buffer, block: number): boolean {
  const count = recordCount(bytes);
  if (typeof count === "string") {
    check.report(`it cannot be read: ${count}`, block);
    return false;
  }
  for (let at = 0; at < count; at++) {
    const record = recordAt(bytes, at, count);
    if (typeof record === "string") {
      check.report(`it cannot be read: ${record}`, block);
      return false;
    }
    checkRecord(check, bytes.subarray(record.nameStart, record.nameEnd), { record, block });
  }
  return true;
}

function checkRecord(
  check: DirectoryCheck,
  name: Buffer,
  { record, block }: { readonly record: DirectoryRecord; readonly block: number },
): void {
  const { before, report } = check;
  const order = before === undefined ? -1 : before.compare(name);
  // A copy: the block that the name lies in would stay in memory with it.
  check.before = Buffer.from(name);
  if (order === 0) report(`it has the name "${printable(name)}" twice`, block);
  if (order > 0) report(`its name "${printable(name)}" is out of order`, block);
  if (!isPlainName(name)) report(`it has the name "${printable(name)}", which cannot be`, block);
  if (isDotName(name)) checkDots(check, { record, block, isDot: name.length === 1 });
  else checkName(check, name, { record, block });
}

function checkDots(
  check: DirectoryCheck,
  {
    record: { nid, type },
    block,
    isDot,
  }: { readonly record: DirectoryRecord; readonly block: number; readonly isDot: boolean },
): void {
  const { context, index, report, directory } = check;
  const { inodes } = context;
  if (isDot) check.hasDot = true;
  else check.hasDotDot = true;
  if (type !== DIRECTORY) report(`its \`${isDot ? "." : ".."}\` says that it is none`, block);
  const wanted = isDot ? directory.number : inodes.nidAt(inodes.parentAt(index));
  if (nid === wanted) return;
  report(
    isDot
      ? `its \`.\` is inode ${nid}`
      : `its \`..\` is inode ${nid}; its name is in inode ${wanted}`,
    block,
  );
}

function checkName(
  { context, index, report }: DirectoryCheck,
  name: Buffer,
  { record, block }: { readonly record: DirectoryRecord; readonly block: number },
): void {
  const { inodes } = context;
  const { nid, type } = record;
  const label = `"${printable(name)}"`;
  const known = inodes.indexOf(nid);
  if (known === -1) {
    inodes.addName(inodes.add(nid, type, index));
    return;
  }
  inodes.addName(known);
  const before = inodes.typeAt(known);
  if (known === 0) report(`${label} leads to the root`, block);
  else if (before === DIRECTORY) {
    report(`${label} is a second name of the directory of inode ${nid}`, block);
  }
  if (before !== type) {
    report(`${label} says ${typeName(type)} of inode ${nid}, a ${typeName(before)}`, block);
  }
}
