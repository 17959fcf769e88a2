import type { VerifyContext } from "./verify-context.ts";

const STEP = 4096;

/** Compares link counts with the names that were found, and the number of inodes with the superblock's. */
export async function checkLinks(context: VerifyContext): Promise<void> {
  const { inodes, damage, volume } = context;
  for (let index = 0; index < inodes.count; index++) {
    const [names, links] = [inodes.namesAt(index), inodes.linksAt(index)];
    if (inodes.stateAt(index) === "sound" && names !== links) {
      const problem = `it counts ${links} links; there are ${names}`;
      damage.add({ what: "inode", inode: inodes.nidAt(index), problem });
    }
    if (index % STEP === 0) await context.breathe();
  }
  const { inodes: counted } = volume.superblock;
  // Where a directory cannot be read, what it leads to is not counted.
  if (counted !== inodes.count && damage.count() === 0) {
    const problem = `it counts ${counted} inodes; names lead to ${inodes.count}`;
    damage.add({ what: "superblock", problem });
  }
}
