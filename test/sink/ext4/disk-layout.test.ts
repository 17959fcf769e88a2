import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeImage } from "../../support/ext4-image.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { mustRun } from "../../support/run-program.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { faithfulImage, file, soundImage } from "../../support/sound-image.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

function links(count: number): readonly TreeEntry[] {
  return Array.from({ length: count }, (_, n): TreeEntry => ({
    path: `d/${n}`,
    type: "symlink",
    target: "x",
  }));
}

async function inodeCount(imagePath: string): Promise<number> {
  return Number(/^Inode count: +(\d+)$/m.exec(await mustRun("dumpe2fs", ["-h", imagePath]))?.[1]);
}

test("a disk has an inode for each 16 KiB, or a quarter more than there are entries", async () => {
  const few = await soundImage(links(100), { diskMib: 100 });
  expect(await inodeCount(few.path)).toBe(6400);
  const many = await soundImage(links(9000), { diskMib: 100 });
  // 9,000 links, the directory, 11 that are reserved: 11,265 in whole blocks of 16.
  expect(await inodeCount(many.path)).toBe(11_280);
});

test("a disk that is nearly full gets fewer inodes before it is too small", async () => {
  // With a quarter more inodes than entries: 9.2 MiB of inodes, a journal of 4, reserved blocks and directories of 1.
  const entries = links(30_000);
  const error = importErrorOf(() =>
    writeImage(join(scratchDirectory(), "a"), entries, { diskMib: 12 }),
  );
  expect(error.message).toBe("the root filesystem needs a disk of 13 MiB and was given 12 MiB");
  const { path } = await faithfulImage(entries, { diskMib: 13 });
  expect(await inodeCount(path)).toBeLessThan(30_012 * 1.25);
  expect(await inodeCount(path)).toBeGreaterThan(30_012 + 15);
});

test.each([
  ["bodies", [file("a", Buffer.alloc(30 * 2 ** 20))]],
  ["many small files", Array.from({ length: 2500 }, (_, n) => file(`f${n}`))],
  ["names", Array.from({ length: 6000 }, (_, n) => file(`${n}-`.padEnd(240, "x"), ""))],
  [
    "long symlinks",
    Array.from({ length: 3000 }, (_, n): TreeEntry => ({
      path: `${n}`,
      type: "symlink",
      target: "x".repeat(200),
    })),
  ],
  [
    "attributes",
    Array.from({ length: 3000 }, (_, n): TreeEntry => ({
      ...file(`${n}`, ""),
      xattrs: { "user.a": Buffer.alloc(3000, `${n}`) },
    })),
  ],
] as const)("the size that an error names is enough, and hardly more: %s", async (_, entries) => {
  const path = join(scratchDirectory(), "a");
  // A disk that takes the bodies and nothing else is where the placer would have stopped.
  let diskMib = 3;
  const refused: number[] = [];
  for (;;) {
    const size = diskMib;
    try {
      writeImage(path, entries, { diskMib: size });
      break;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const named = /needs a disk of (\d+) MiB/.exec(error.message)?.[1];
      if (named === undefined && !error.message.includes("bodies of the test")) throw error;
      refused.push(size);
      diskMib = named === undefined ? size + 1 : Number(named);
    }
  }
  expect(statSync(path).size).toBe(diskMib * 2 ** 20);
  await soundImage(entries, { diskMib });
  // What was named at last was not named too high: a little less is refused.
  const less = Math.floor(diskMib * 0.93) - 1;
  expect(() => writeImage(path, entries, { diskMib: less })).toThrow(/needs a disk|do not fit/);
  expect(refused.length).toBeGreaterThan(0);
});

test("gaps between the bodies are used when nothing else is left", async () => {
  const bodies = Array.from({ length: 6 }, (_, n) => file(`f${n}`, Buffer.alloc(100_000, "b")));
  const { path } = await faithfulImage([...bodies, ...links(200)], { diskMib: 4, gapBlocks: 123 });
  // The bodies and their gaps end at block 1,018 of 1,024.
  const table = /Inode table at (\d+)-/.exec(await mustRun("dumpe2fs", [path]))?.[1];
  expect(Number(table)).toBeLessThan(1000);
});

test("more entries than a disk can have inodes need a larger one", () => {
  const entries = Array.from({ length: 33_000 }, (_, n): TreeEntry => ({
    path: `hardly-a-file-${n}`,
    type: "fifo",
  }));
  const error = importErrorOf(() =>
    writeImage(join(scratchDirectory(), "a"), entries, { diskMib: 128 }),
  );
  expect(error.code).toBe("ERR_DISK_TOO_SMALL");
  expect(error.message).toBe("the root filesystem needs a disk of 129 MiB and was given 128 MiB");
});
