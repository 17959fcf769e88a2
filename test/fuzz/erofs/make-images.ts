import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeErofs } from "../../support/erofs/make-erofs.ts";
import { writeErofsImage } from "../../support/erofs-image.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";

const OPTIONS = {
  chunks: ["--chunksize=4096", "-Eforce-chunk-indexes", "-x1"],
  inline: ["-x1"],
  compact: ["-Eforce-inode-compact", "-T1", "-Enoinline_data", "-x1"],
} as const;

/** Small images of all kinds of structures: ours, and those of mkfs.erofs in three forms. */
export async function makeErofsImages(folder: string): Promise<readonly string[]> {
  const own = join(folder, "own");
  writeErofsImage(own, ownEntries());
  const sparse = join(folder, "sparse");
  writeErofsImage(sparse, ownEntries(), { pieceBlocks: 1, gapBlocks: 1, holeEvery: 3 });
  // mkfs.erofs 1.5 cannot write to a tmpfs.
  const work = mkdtempSync(join(tmpdir(), "rootlift-fuzz-erofs-"));
  try {
    const tree = join(work, "tree");
    fillTree(tree);
    const made: string[] = [];
    for (const [name, options] of Object.entries(OPTIONS)) {
      await makeErofs(join(work, name), tree, options);
      copyFileSync(join(work, name), join(folder, name));
      made.push(join(folder, name));
    }
    return [own, sparse, ...made];
  } finally {
    rmSync(work, { recursive: true });
  }
}

function file(path: string, content: Buffer, more: Partial<TreeEntry> = {}): TreeEntry {
  return { path, type: "file", content, mtime: [1_700_000_000, 1], ...more };
}

function ownEntries(): readonly TreeEntry[] {
  const xattrs = { "user.shared": Buffer.alloc(200, "shared"), "security.x": Buffer.alloc(9) };
  return [
    file("a", Buffer.alloc(50_000, "a")),
    file("attributes", Buffer.from("b"), { xattrs }),
    file("same", Buffer.alloc(0), { xattrs }),
    { path: "d/e/f", type: "directory", xattrs },
    { path: "link", type: "symlink", target: "t".repeat(300) },
    { path: "null", type: "character", device: [1, 3] },
    { path: "a-again", type: "hardlink", target: "a" },
    ...Array.from({ length: 60 }, (_, n) => file(`many/${n}-`.padEnd(120, "x"), Buffer.alloc(n))),
  ];
}

function fillTree(root: string): void {
  mkdirSync(join(root, "d/e"), { recursive: true });
  mkdirSync(join(root, "many"));
  writeFileSync(join(root, "a"), Buffer.alloc(50_000, "contents of a, "));
  writeFileSync(join(root, "d/small"), "small");
  linkSync(join(root, "a"), join(root, "d/again"));
  symlinkSync("t".repeat(300), join(root, "link"));
  for (let n = 0; n < 60; n++) writeFileSync(join(root, "many", `${n}-`.padEnd(120, "x")), "");
}
