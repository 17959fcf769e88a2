import { fileType, typeName, typeNumber } from "../../image-reader/file-type.ts";
import { contentSteps, isAnnounced } from "../content-runs.ts";
import { targetAt } from "../symlink-target.ts";
import { inodeAt, type ErofsInode } from "../inode.ts";
import { isKernelAcl, storedXattrs } from "../xattrs.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Findings of one inode's contents: a map that is broken in one place mostly is in many. */
const MOST_REPORTED = 10;

/**
 * Checks an inode and takes note of what it owns.
 * @returns a directory that may be read: its blocks are in the image and nobody else's
 */
export function checkInode(context: VerifyContext, index: number): ErofsInode | undefined {
  const { volume, inodes, damage, usage } = context;
  const nid = inodes.nidAt(index);
  const report = (problem: string, block?: number): void =>
    damage.add({
      what: "inode",
      inode: nid,
      ...(block === undefined ? {} : { block, findOwners: 1 }),
      problem,
    });
  const saidType = inodes.typeAt(index);
  const inode = inodeAt(volume, nid);
  if (typeof inode === "string") {
    report(`it ${inode}`);
    inodes.setFacts(index, { type: saidType, links: 0, state: "damaged" });
    return undefined;
  }
  const type = typeNumber(inode.mode);
  const said = saidType === 0 ? "nothing that is known" : typeName(saidType);
  if (type !== saidType) report(`its name says ${said}; it is a ${typeName(type)}`);
  const taken = usage.claimBytes(inode.at, inode.end);
  if (taken !== undefined) report("it lies where something else is", taken);
  for (const problem of fieldProblems(context, inode)) report(problem);
  // What lies over something else is read once, by its first owner: else there is no end to reading.
  const isSound = taken === undefined && checkContents(context, inode);
  inodes.setFacts(index, { type, links: inode.links, state: isSound ? "sound" : "damaged" });
  if (taken === undefined) checkAttributes(context, inode);
  return isSound && fileType(inode.mode) === "directory" ? inode : undefined;
}

function* fieldProblems(
  { volume }: VerifyContext,
  inode: ErofsInode,
): Generator<string, void, undefined> {
  const { links, sizeBytes, contents, mode } = inode;
  if (links === 0) yield "it has no links";
  if (contents.kind === "none" && sizeBytes !== 0) {
    yield `it is a ${fileType(mode)} of ${sizeBytes} bytes`;
  }
  if (contents.kind !== "none" && !isAnnounced(volume, inode)) {
    yield "it is in chunks, in an image without";
  }
}

/** Marks the blocks of the contents as in use. @returns whether they may be read */
function checkContents({ volume, usage, damage }: VerifyContext, inode: ErofsInode): boolean {
  const { blockSize } = volume.superblock;
  const type = fileType(inode.mode);
  let problems = 0;
  const report = (problem: string, block?: number): void => {
    if (++problems > MOST_REPORTED) return;
    damage.add({
      what: "block map",
      inode: inode.number,
      ...(block === undefined ? {} : { block, findOwners: 1 }),
      problem: problems < MOST_REPORTED ? problem : `${problem}; there is more`,
    });
  };
  for (const step of contentSteps(volume, inode)) {
    if (typeof step === "string") {
      report(`it ${step}`);
      continue;
    }
    const { at, bytes } = step;
    if (at === undefined && type !== "file") report(`it is a ${type} with a hole`);
    // A tail was marked with its inode.
    if (at === undefined || (at >= inode.at && at < inode.end)) continue;
    const [start, count] = [at / blockSize, Math.ceil(bytes / blockSize)];
    const taken = type === "file" ? usage.claimData(start, count) : usage.claimBlocks(start, count);
    if (taken !== undefined) report(`its block ${taken} is in use for something else`, taken);
  }
  if (problems === 0 && type === "symlink") {
    const target = targetAt(volume, inode);
    if (typeof target === "string") report(`it ${target}`);
  }
  if (type === "directory" && inode.sizeBytes === 0) report("it is a directory without names");
  return problems === 0;
}

function checkAttributes({ volume, usage, damage }: VerifyContext, inode: ErofsInode): void {
  const report = (problem: string, block?: number): void =>
    damage.add({
      what: "attributes",
      inode: inode.number,
      ...(block === undefined ? {} : { block, findOwners: 1 }),
      problem: `it ${problem}`,
    });
  for (const stored of storedXattrs(volume, inode)) {
    if (typeof stored === "string") {
      report(stored);
      continue;
    }
    if (stored.isAcl && !isKernelAcl(volume, stored)) report("has an ACL that is none");
    if (!stored.isShared) continue;
    const taken = usage.claimShared(stored.at, stored.end);
    if (taken !== undefined) report("has a shared attribute where something else is", taken);
  }
}
