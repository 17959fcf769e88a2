import { expect, test } from "vitest";
import { flipByte } from "../../support/damaged-image.ts";
import { imageProblems } from "../../support/ext4-check.ts";
import { debugfs, file, soundImage } from "../../support/sound-image.ts";
import { mustRun } from "../../support/run-program.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

const BLOCK = 4096;
const content = Buffer.from("stands for it");

const ENTRIES: readonly TreeEntry[] = [
  file("pieces", content),
  { ...file("attributes"), xattrs: { "user.big": Buffer.alloc(3000, "v") } },
  ...Array.from({ length: 2000 }, (_, n) => file(`d/${n}-`.padEnd(230, "x"), "")),
];
const PIECES = {
  sizeBytes: 20 * BLOCK,
  segments: Array.from({ length: 10 }, (_, n) => ({ block: 2 * n, content: Buffer.of(n) })),
};

/** The first number in what debugfs answers that the pattern finds. */
async function blockBy(imagePath: string, command: string, pattern: RegExp): Promise<number> {
  const block = pattern.exec(await debugfs(imagePath, command))?.[1];
  if (block === undefined) throw new Error(`debugfs ${command} does not say it`);
  return Number(block);
}

/** Where the checksums should look, by what lies there: positions in bytes. */
async function places(imagePath: string): Promise<Readonly<Record<string, number>>> {
  const groups = await mustRun("dumpe2fs", [imagePath]);
  const inGroups = (pattern: RegExp): number => Number(pattern.exec(groups)?.[1]) * BLOCK;
  const inodeTable = inGroups(/Inode table at (\d+)/);
  // The directory's first block is its root; the nodes and leaves follow.
  const directory = await blockBy(imagePath, "blocks /d", /^(\d+)/m);
  const tree = await blockBy(imagePath, "ex pieces", /^ 0\/ 1 +1\/ +1 +0 - +19 +(\d+)/m);
  return {
    "the superblock's label": 1024 + 0x78,
    "the superblock's reserved end": 1024 + 0x3f0,
    "a descriptor's free blocks": BLOCK + 0x0c,
    "a descriptor's checksum of the block bitmap": BLOCK + 0x18,
    "the block bitmap": inGroups(/Block bitmap at (\d+)/) + 100,
    "the inode bitmap": inGroups(/Inode bitmap at (\d+)/) + 300,
    "an inode's project id": inodeTable + 11 * 256 + 0x9c,
    "an inode's rest": inodeTable + 12 * 256 + 0xfe,
    "an unused slot of an extent block": tree * BLOCK + 3000,
    "an extent block's checksum": tree * BLOCK + BLOCK - 1,
    "the root of an index": directory * BLOCK + 0x30,
    "an inner node of an index": (directory + 1) * BLOCK + 0x20,
    "a name in a leaf": (directory + 8) * BLOCK + 20,
    "the tail of a leaf": (directory + 8) * BLOCK + BLOCK - 1,
    "an attribute's value":
      (await blockBy(imagePath, "stat attributes", /File ACL: (\d+)/)) * BLOCK + 4000,
  };
}

test("e2fsck notices one changed byte in everything that has a checksum", async () => {
  const { path } = await soundImage(ENTRIES, {
    diskMib: 16,
    sparse: new Map([[content, PIECES]]),
  });
  for (const [what, position] of Object.entries(await places(path))) {
    const undo = flipByte(path, position);
    const problems = await imageProblems(path);
    undo();
    expect({ what, noticed: problems.length > 0 }).toEqual({ what, noticed: true });
  }
  expect(await imageProblems(path)).toEqual([]);
});
