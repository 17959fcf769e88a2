import { fileType } from "../../image-reader/file-type.ts";
import { mapSteps } from "../block-runs.ts";
import { INO } from "../format.ts";
import { isFastSymlink, type Inode } from "../inode.ts";
import { readBlocks } from "../volume.ts";
import type { VerifyContext } from "./verify-context.ts";

export interface CheckedMap {
  /** Blocks that the inode owns, those of the map included. */
  readonly blocks: number;
  /** All of them are on the disk, and nobody else's. */
  readonly isSound: boolean;
}

/**
 * Of a directory that is looked into: 4 GiB, four times what an index reaches, and as many pieces as fit in memory.
 * Attack: a directory of a sparse disk has as many blocks as the disk.
 */
const MOST_DIRECTORY = { blocks: 2 ** 20, pieces: 2 ** 18 };

/** Findings of one map. */
const MOST_REPORTED = 10;

/** What one walk through a map adds up. */
interface Walk {
  blocks: number;
  pieces: number;
  /** Blocks of the file itself. */
  dataBlocks: number;
  isSound: boolean;
  /** Behind the last block that has bytes. */
  end: number;
  firstBlock: number | undefined;
  hasUnwritten: boolean;
}

/** Walks the block map of an inode, marks its blocks as in use, and compares them with its size. */
export function checkBlockMap(context: VerifyContext, inode: Inode): CheckedMap {
  const type = fileType(inode.mode);
  const isMapped = type === "file" || type === "directory" || type === "symlink";
  if (!isMapped || isFastSymlink(inode)) return { blocks: 0, isSound: true };
  const walk = walkMap(context, inode);
  if (walk.isSound && inode.number !== INO.resize) {
    for (const problem of sizeProblems(context, inode, walk)) {
      walk.isSound = false;
      context.damage.add({ what: "block map", inode: inode.number, problem });
    }
  }
  return walk;
}

function walkMap({ volume, usage, damage }: VerifyContext, inode: Inode): Walk {
  const walk: Walk = {
    blocks: 0,
    pieces: 0,
    dataBlocks: 0,
    isSound: true,
    end: 0,
    firstBlock: undefined,
    hasUnwritten: false,
  };
  let reported = 0;
  const report = (problem: string, block?: number, findOwners?: number): void => {
    walk.isSound = false;
    // A map that is broken in one place mostly is in many: others are to be named too.
    if (++reported > MOST_REPORTED) return;
    damage.add({
      what: "block map",
      inode: inode.number,
      ...(block === undefined ? {} : { block }),
      ...(findOwners === undefined ? {} : { findOwners }),
      problem: reported < MOST_REPORTED ? problem : `${problem}; there is more`,
    });
  };
  const claim = (start: number, count: number): boolean => {
    walk.blocks += count;
    const taken = usage.claim(start, count);
    if (taken === undefined) return true;
    report(`its block ${taken} is in use twice`, taken, 1);
    return false;
  };
  for (const step of mapSteps(volume, inode, (block) => claim(block, 1))) {
    if (step.kind === "problem") {
      report(step.problem, step.block);
      continue;
    }
    const { logicalBlock, physicalBlock, blocks, written } = step.run;
    claim(physicalBlock, blocks);
    walk.dataBlocks += blocks;
    walk.pieces++;
    if (logicalBlock === 0) walk.firstBlock = physicalBlock;
    if (written) walk.end = Math.max(walk.end, logicalBlock + blocks);
    else walk.hasUnwritten = true;
  }
  return walk;
}

function* sizeProblems(
  { volume }: VerifyContext,
  inode: Inode,
  walk: Walk,
): Generator<string, void, undefined> {
  const { blockSize } = volume.superblock;
  const { sizeBytes } = inode;
  const sizeBlocks = Math.ceil(sizeBytes / blockSize);
  const type = fileType(inode.mode);
  // One block more may be left of a write that a crash cut off: e2fsck takes it for sound.
  if (type === "file" && (walk.end - 1) * blockSize > sizeBytes) {
    yield `it has blocks behind its end at ${sizeBytes} bytes`;
  }
  if (type === "directory") {
    if (sizeBytes === 0 || sizeBytes % blockSize !== 0) {
      yield `it is a directory of ${sizeBytes} bytes`;
    }
    if (walk.dataBlocks !== sizeBlocks || walk.end !== sizeBlocks || walk.hasUnwritten) {
      yield "it is a directory with holes";
    }
    if (walk.dataBlocks > MOST_DIRECTORY.blocks || walk.pieces > MOST_DIRECTORY.pieces) {
      yield `it is a directory of ${walk.dataBlocks} blocks in ${walk.pieces} pieces, too large to be looked into`;
    }
  }
  if (type !== "symlink") return;
  const { firstBlock } = walk;
  if (walk.dataBlocks !== 1 || firstBlock === undefined || walk.hasUnwritten) {
    yield `it is a link with ${walk.dataBlocks} blocks`;
  } else if (sizeBytes >= blockSize || readBlocks(volume, firstBlock).indexOf(0) !== sizeBytes) {
    yield "the target of the link has another length";
  }
}
