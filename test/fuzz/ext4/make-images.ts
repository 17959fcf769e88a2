import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeImage } from "../../support/ext4-image.ts";
import { mustRun } from "../../support/run-program.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

const BLOCK = 4096;

/** Small images of all kinds of structures: ours, and those of mkfs with and without checksums, extents and a journal. */
export async function makeExt4Images(folder: string): Promise<readonly string[]> {
  const own = join(folder, "own");
  const pieces = Buffer.from("stands for a file of pieces");
  writeImage(own, [...ownEntries(), file("pieces", pieces)], {
    sparse: new Map([
      [
        pieces,
        {
          sizeBytes: 4000 * BLOCK,
          segments: Array.from({ length: 400 }, (_, n) => ({
            block: 3 * n,
            content: Buffer.of(n),
          })),
        },
      ],
    ]),
  });
  const tree = join(folder, "tree");
  fillTree(tree);
  const made = await Promise.all([
    mkfs(join(folder, "mkfs"), tree, ["-b", "1024"]),
    mkfs(join(folder, "plain"), tree, ["-b", "1024", "-O", "^metadata_csum,^resize_inode"]),
    mkfs(join(folder, "pointers"), tree, [
      "-b",
      "1024",
      "-O",
      "^metadata_csum,^extent,^64bit,^has_journal",
    ]),
    mkfs(join(folder, "summed-pointers"), tree, [
      "-b",
      "1024",
      "-O",
      "^extent,^64bit,^has_journal",
    ]),
  ]);
  return [own, ...made];
}

function file(path: string, content: Buffer = Buffer.from(path)): TreeEntry {
  return { path, type: "file", content, mtime: [1_700_000_000, 1] };
}

function ownEntries(): readonly TreeEntry[] {
  return [
    file("a", Buffer.alloc(10_000, "a")),
    {
      ...file("attributes"),
      xattrs: { "user.large": Buffer.alloc(500), "security.x": Buffer.alloc(9) },
    },
    { ...file("inside"), xattrs: { "user.small": Buffer.from("v") } },
    { path: "d/e/f", type: "directory" },
    { path: "link", type: "symlink", target: "t".repeat(100) },
    { path: "short", type: "symlink", target: "d/e/../e" },
    { path: "null", type: "character", device: [1, 3] },
    { path: "a-again", type: "hardlink", target: "a" },
    ...Array.from({ length: 60 }, (_, n) => file(`many/${n}-`.padEnd(120, "x"), Buffer.alloc(0))),
  ];
}

function fillTree(root: string): void {
  mkdirSync(join(root, "d/e/f"), { recursive: true });
  mkdirSync(join(root, "many"));
  writeFileSync(join(root, "large"), Buffer.alloc(400_000, "large "));
  symlinkSync("t".repeat(100), join(root, "link"));
  symlinkSync("d/e/../e", join(root, "short"));
  for (let n = 0; n < 60; n++) writeFileSync(join(root, "many", `${n}-`.padEnd(100, "x")), "");
}

/** The same bytes each time, but for the times of the tree. */
async function mkfs(path: string, tree: string, options: readonly string[]): Promise<string> {
  const same = [
    "-U",
    "6a1c1d7e-0000-4000-8000-000000000001",
    "-E",
    "hash_seed=6a1c1d7e-0000-4000-8000-000000000002",
  ];
  await mustRun("mkfs.ext4", ["-q", "-F", ...same, ...options, "-d", tree, path, "4M"]);
  return path;
}
