import type { MergeTree } from "./merge-tree.ts";
import type { RootfsTree } from "./rootfs-tree.ts";

/** The arrays as they are, cut to what is used; the hash table and the back links go. */
export function finishedTree({ names, inodes, blobs }: MergeTree): RootfsTree {
  let contentBytes = 0;
  for (let inode = 0; inode < inodes.count; inode++) {
    if (inodes.linkCounts[inode] !== 0) contentBytes += inodes.sizes[inode]!;
  }
  return {
    nameCount: names.count,
    parents: names.parents.subarray(0, names.count),
    firstChildren: names.firstChildren.subarray(0, names.count),
    nextSiblings: names.nextSiblings.subarray(0, names.count),
    inodes: names.inodes.subarray(0, names.count),
    nameOffsets: names.nameOffsets.subarray(0, names.count),
    nameLengths: names.nameLengths.subarray(0, names.count),
    nameBytes: names.nameBytes.subarray(0, names.arena.length),
    inodeCount: inodes.count,
    modes: inodes.modes.subarray(0, inodes.count),
    uids: inodes.uids.subarray(0, inodes.count),
    gids: inodes.gids.subarray(0, inodes.count),
    mtimeSeconds: inodes.mtimeSeconds.subarray(0, inodes.count),
    mtimeNanoseconds: inodes.mtimeNanoseconds.subarray(0, inodes.count),
    linkCounts: inodes.linkCounts.subarray(0, inodes.count),
    sizes: inodes.sizes.subarray(0, inodes.count),
    bodies: inodes.bodies.subarray(0, inodes.count),
    linkOffsetsOrMajors: inodes.linkOffsetsOrMajors.subarray(0, inodes.count),
    linkLengthsOrMinors: inodes.linkLengthsOrMinors.subarray(0, inodes.count),
    xattrOffsets: inodes.xattrOffsets.subarray(0, inodes.count),
    xattrLengths: inodes.xattrLengths.subarray(0, inodes.count),
    layers: inodes.layers.subarray(0, inodes.count),
    adjusted: inodes.adjusted.subarray(0, inodes.count),
    blobBytes: blobs.bytes.subarray(0, blobs.length),
    entries: names.live,
    contentBytes,
  };
}
