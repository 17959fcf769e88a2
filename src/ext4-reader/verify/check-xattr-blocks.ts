import { XATTR_MAGIC, XATTR_MAX_REFERENCES } from "../format.ts";
import { readBlocks } from "../volume.ts";
import { areaEntries, areaOfBlock, xattrChecksumHolds } from "../xattrs.ts";
import { isSorted, storedXattrProblems, xattrBlockHash } from "./stored-xattrs.ts";
import type { VerifyContext } from "./verify-context.ts";

/** Checks each block of attributes once: what it holds, and that as many inodes have it as it says. */
export async function checkXattrBlocks(context: VerifyContext): Promise<void> {
  const pairs = context.xattrBlocks.sorted();
  for (let at = 0; at < pairs.length;) {
    const block = Number(pairs[at]! >> 32n);
    const inode = Number(pairs[at]! & 0xffffffffn);
    let end = at + 1;
    while (end < pairs.length && Number(pairs[end]! >> 32n) === block) end++;
    checkXattrBlock(context, { block, inode, references: end - at });
    at = end;
    await context.breathe();
  }
}

function checkXattrBlock(
  { volume, usage, damage }: VerifyContext,
  wanted: { readonly block: number; readonly inode: number; readonly references: number },
): void {
  const { superblock } = volume;
  const { block, inode, references } = wanted;
  const report = (problem: string, findOwners?: number): void =>
    damage.add({
      what: "attributes",
      inode,
      block,
      ...(findOwners === undefined ? {} : { findOwners }),
      problem,
    });
  if (usage.claim(block, 1) !== undefined) {
    report(`its attributes are in block ${block}, which is in use twice`, 1);
    return;
  }
  const bytes = readBlocks(volume, block);
  if (bytes.readUInt32LE(0) !== XATTR_MAGIC) {
    report("its block of attributes is none");
    return;
  }
  if (superblock.hasChecksums && !xattrChecksumHolds(superblock.checksumSeed, block, bytes)) {
    report("its block of attributes has a wrong checksum");
  }
  const counted = bytes.readUInt32LE(4);
  if (counted !== references || counted > XATTR_MAX_REFERENCES) {
    report(`its block of attributes counts ${counted} inodes; ${references} have it`);
  }
  if (bytes.readUInt32LE(8) !== 1) report("its attributes claim several blocks");
  const entries = areaEntries(areaOfBlock(bytes));
  if (typeof entries === "string") {
    report(`it has ${entries}`);
    return;
  }
  for (const problem of storedXattrProblems(entries, { zeroHash: false })) report(problem);
  if (!isSorted(entries)) report("its attributes are out of order");
  // e2fsprogs leaves it 0; the kernel only looks for blocks to share with it.
  if (![0, xattrBlockHash(entries)].includes(bytes.readUInt32LE(12))) {
    report("its block of attributes has a wrong hash");
  }
}
