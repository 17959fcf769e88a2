import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { createLayerMerge } from "../../src/rootfs/create-layer-merge.ts";
import { MergeTree } from "../../src/rootfs/merge-tree.ts";
import { NameHash } from "../../src/rootfs/name-hash.ts";
import { PathWalker, Walk } from "../../src/rootfs/path-walker.ts";
import type { RootfsTree } from "../../src/rootfs/rootfs-tree.ts";
import { ext4Geometry } from "../../src/sink/ext4/geometry.ts";
import { HalfMd4 } from "../../src/sink/ext4/half-md4.ts";
import { numberInodes } from "../../src/sink/ext4/inode-numbers.ts";
import { writeExt4Metadata } from "../../src/sink/ext4/write-metadata.ts";
import { fileChunks, fileName } from "../images/file-chunks.ts";
import { walk } from "./layer-tasks.ts";
import type { MicroTask } from "./micro-task.ts";

/** One block. */
const FILE_BYTES = 4000;
const FIRST_BODY_BLOCK = 4096;
const IDENTITY = {
  uuid: Buffer.alloc(16, 1),
  hashSeed: Buffer.alloc(16, 2),
  epochSeconds: 0,
  label: "",
};

/** What each entry goes through: hashes of names, merge, path look-up, and what ext4 makes of a tree. */
export function treeTasks(entries: number): readonly MicroTask[] {
  const empty = walk(Buffer.concat([...fileChunks({ files: entries, bodyBytes: 0 })]));
  const paths = Array.from({ length: entries }, (_, number) => Buffer.from(fileName(number)));
  const hash = new NameHash(1, 2);
  const halfMd4 = new HalfMd4(IDENTITY.hashSeed);
  const walker = walkerOver(paths);
  const nested = mergedTree(entries, 64);
  const flat = mergedTree(entries, entries);
  const perEntry = (name: string, run: () => void, amount = entries): MicroTask => ({
    name,
    amount,
    unit: "entries",
    run,
  });
  return [
    perEntry("hash of a name, merge", () => {
      for (const path of paths) hash.of(0, path, 0, path.length);
    }),
    perEntry("hash of a name, ext4 directory", () => {
      for (const path of paths) halfMd4.hash(path, 0, path.length);
    }),
    perEntry("merge of a layer into an empty tree", () => {
      createLayerMerge(DEFAULT_LIMITS, { reference: "bench", layers: 1 }).addLayer(0, empty);
    }),
    perEntry(
      "merge of a layer over itself",
      () => {
        const merge = createLayerMerge(DEFAULT_LIMITS, { reference: "bench", layers: 2 });
        merge.addLayer(0, empty);
        merge.addLayer(1, empty);
      },
      2 * entries,
    ),
    perEntry("look-up of a path of five names", () => {
      for (const path of paths) walker.walk(path, 0, path.length);
    }),
    perEntry("ext4, numbers of inodes", () => void numberInodes(nested), nested.entries),
    perEntry("ext4, inodes and small directories", () => writeMetadata(nested), nested.entries),
    perEntry("ext4, inodes and one large directory", () => writeMetadata(flat), flat.entries),
  ];
}

function walkerOver(paths: readonly Uint8Array[]): PathWalker {
  const walker = new PathWalker(new MergeTree([1, 2]), DEFAULT_LIMITS);
  for (const path of paths) {
    if (walker.walk(path, 0, path.length) === Walk.missing) walker.makeMissing(0);
  }
  return walker;
}

function mergedTree(files: number, filesPerDirectory: number): RootfsTree {
  const chunks = fileChunks({ files, bodyBytes: FILE_BYTES, filesPerDirectory });
  const merge = createLayerMerge(DEFAULT_LIMITS, { reference: "bench", layers: 1 });
  merge.addLayer(0, walk(Buffer.concat([...chunks])));
  return merge.finish();
}

/** All of the metadata, into a file that keeps nothing. */
function writeMetadata(tree: RootfsTree): void {
  writeExt4Metadata({
    file: { write: () => undefined, release: () => undefined },
    tree,
    geometry: ext4Geometry(Math.ceil(tree.entries / 2 ** 16) * 2 ** 30),
    bodies: {
      extentsOf: (body) => [{ logicalBlock: 0, physicalBlock: FIRST_BODY_BLOCK + body, blocks: 1 }],
    },
    firstFreeBlock: FIRST_BODY_BLOCK + tree.entries,
    identity: IDENTITY,
    isCancelled: () => false,
  });
}
