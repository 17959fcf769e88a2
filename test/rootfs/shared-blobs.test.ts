import { expect, test } from "vitest";
import { ByteArena } from "../../src/rootfs/byte-arena.ts";
import { SharedBlobs } from "../../src/rootfs/shared-blobs.ts";

test("an equal run is stored once", () => {
  const arena = new ByteArena();
  const blobs = new SharedBlobs(arena);
  const run = Buffer.from("..label..");
  const first = blobs.append(run, 2, 7);
  expect(blobs.append(run, 2, 7)).toBe(first);
  expect(arena.length).toBe(5);
});

test("a run that only bytes after the end would complete is stored anew", () => {
  const arena = new ByteArena();
  const blobs = new SharedBlobs(arena);
  const runs = Array.from({ length: 2000 }, (_, i) =>
    Buffer.concat([Buffer.from("a"), Buffer.alloc(i)]),
  );
  const offsets = runs.map((run) => blobs.append(run, 0, run.length));
  arena.append(Buffer.alloc(4000, "z"), 0, 4000);
  const wrong = runs.filter((run, i) => !arena.holds(offsets[i] ?? 0, run.length, run, 0));
  expect(wrong).toHaveLength(0);
});
