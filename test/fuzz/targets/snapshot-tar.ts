import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openTarReader } from "../../../src/export/tar-reader.ts";
import { S_IFMT, S_IFREG } from "../../../src/rootfs/rootfs-tree.ts";
import { tarPieces } from "../../../src/sink/tar/tar-pieces.ts";
import { joinPieces, memoryReader } from "../../support/memory-reader.ts";
import type { TreeEntry } from "../../support/tree-builder.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { scratchFolder } from "../scratch-folder.ts";
import { mutateTar } from "../tar/mutate-tar.ts";

const NEVER = new AbortController().signal;

/** Archives in the store: whoever can write there is no attacker, but disks fail. */
export const snapshotTarTarget: FuzzTarget = {
  name: "snapshot-tar",
  weight: 2,
  open: openSnapshotTar,
};

function openSnapshotTar(): OpenTarget {
  const folder = scratchFolder("snapshot-tar");
  const path = join(folder, "rootfs.tar");
  const fd = openSync(path, "w+");
  return {
    seeds: [entries(3), entries(20)].map((some) =>
      joinPieces(tarPieces(memoryReader(some), () => undefined)),
    ),
    mutate: mutateTar,
    run: async (input) => {
      ftruncateSync(fd, 0);
      writeSync(fd, input, 0, input.length, 0);
      await readSnapshot(path);
    },
    close: () => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

function entries(files: number): readonly TreeEntry[] {
  const xattrs = { "user.a": Buffer.from("value"), "security.capability": Buffer.alloc(20, 1) };
  return [
    { path: "usr/bin", type: "directory", mode: 0o1777, uid: 2 ** 21, xattrs },
    { path: "link", type: "symlink", target: "t".repeat(120), mtime: [-1, 5] },
    { path: "null", type: "character", device: [1, 3] },
    { path: "n".repeat(200), type: "file", content: Buffer.alloc(700, "n"), xattrs },
    { path: "a", type: "file", content: Buffer.from("a") },
    { path: "b", type: "hardlink", target: "a" },
    ...Array.from({ length: files }, (_, n): TreeEntry => ({
      path: `many/${n}`,
      type: "file",
      content: Buffer.alloc(n * 100, "x"),
    })),
  ];
}

/** What is accepted is a tree whose archive, written and read again, is itself. */
async function readSnapshot(path: string): Promise<void> {
  const reader = await openTarReader(path, NEVER);
  try {
    const { tree } = reader;
    let bytes = 0;
    for (let inode = 0; inode < tree.inodeCount; inode++) {
      if (((tree.modes[inode] ?? 0) & S_IFMT) !== S_IFREG || (tree.bodies[inode] ?? -1) < 0)
        continue;
      for (const piece of reader.contents(inode)) {
        bytes += typeof piece === "number" ? piece : piece.length;
      }
    }
    const archive = joinPieces(tarPieces(reader, () => undefined));
    demand(archive.length > bytes || bytes === 0, "an archive holds the contents of its files");
  } finally {
    await reader.close();
  }
}
