import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ImportError } from "../src/errors.ts";
import { ImportSoFar, withLeastShortage, withShortage } from "../src/import-shortage.ts";
import type { ImportEvent } from "../src/progress.ts";
import type { RootfsFormat } from "../src/store/records.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { buildTree, type TreeEntry } from "./support/tree-builder.ts";

const MIB = 2 ** 20;

function soFarAfter(...events: readonly ImportEvent[]): ImportSoFar {
  const soFar = new ImportSoFar();
  const passed: ImportEvent[] = [];
  const emit = soFar.follow((event) => passed.push(event));
  for (const event of events) emit(event);
  expect(passed).toEqual(events);
  return soFar;
}

const RESOLVED: ImportEvent = {
  type: "resolved",
  reference: "app",
  manifestDigest: "sha256:0",
  platform: "linux/amd64",
  layers: [],
  totalBytes: 2 ** 50,
};

function layerProgress(layer: number, receivedMib: number, decodedMib: number): ImportEvent {
  const [receivedBytes, decodedBytes] = [receivedMib * MIB, decodedMib * MIB];
  const state = "pulling";
  return { type: "layer_progress", layer, state, receivedBytes, decodedBytes, entries: 1000 };
}

const full = (details: Readonly<Record<string, string | number>>): ImportError =>
  new ImportError("ERR_DISK_FULL", "cannot write: no space is left at /place", {
    details: { path: "/place", ...details },
  });

/** With a quota: nothing is free, so that nothing depends on the disk of the test. */
async function shortageOf(
  soFar: ImportSoFar,
  format: RootfsFormat,
  details: Readonly<Record<string, string | number>> = { errno: "EDQUOT" },
): Promise<ImportError> {
  const stagingPath = scratchDirectory();
  const path = join(stagingPath, "rootfs.ext4");
  writeFileSync(path, Buffer.alloc(MIB, 1));
  truncateSync(path, 2 ** 40);
  const told = await withShortage(full(details), () => soFar.needs(format), {
    format,
    stagingPath,
  });
  if (!(told instanceof ImportError)) throw new Error("no ImportError");
  return told;
}

test("what is missing is reckoned from how much the layers seen so far unpacked to, less what lies there", async () => {
  const soFar = soFarAfter(
    { ...RESOLVED, totalBytes: 100 * MIB },
    layerProgress(0, 4, 8),
    layerProgress(0, 10, 30),
    layerProgress(1, 10, 50),
  );
  const told = await shortageOf(soFar, "ext4");
  // 100 MiB that unpack to four times as much, 10,000 entries, less the mebibyte that lies there.
  expect(Number(told.details["missingBytes"]) / MIB).toBeCloseTo(400 + 10_000 / 2048 - 1, 0);
  expect(told.message).toBe(
    "cannot write: no space is left at /place; about 404 MiB more are needed",
  );
  expect(told.hint).toMatch(/^Free 404 MiB on that file system, or choose another place/);
  const twice = await shortageOf(soFar, "tar");
  expect(Number(twice.details["missingBytes"]) / MIB).toBeGreaterThan(800);
});

test("before any layer was seen, layers count with what they usually unpack to", async () => {
  const told = await shortageOf(soFarAfter({ ...RESOLVED, totalBytes: 100 * MIB }), "ext4");
  expect(Number(told.details["missingBytes"]) / MIB).toBeCloseTo(299 + 12_800 / 2048, 0);
});

test("once the tree is whole, its own sizes count, but for holes that no layer sent", async () => {
  const soFar = soFarAfter(RESOLVED, layerProgress(0, 4, 20));
  const entries: readonly TreeEntry[] = [
    { path: "d", type: "directory" },
    { path: "d/f", type: "file", content: Buffer.alloc(3 * MIB) },
  ];
  soFar.tree = buildTree(entries, () => 0);
  const missing = async (format: RootfsFormat): Promise<number> =>
    Number((await shortageOf(soFar, format)).details["missingBytes"]) / MIB;
  expect(await missing("ext4")).toBeCloseTo(2, 0);
  expect(await missing("tar")).toBeCloseTo(5, 0);
});

test("where inodes ran out, inodes are missing: of a directory as many as are to come, else a few", async () => {
  const soFar = soFarAfter({ ...RESOLVED, totalBytes: 40 * MIB }, layerProgress(0, 10, 10));
  const noInodes = { errno: "ENOSPC", freeInodes: 0 };
  const directory = await shortageOf(soFar, "dir", noInodes);
  expect(directory.details).toMatchObject({ missingInodes: 3000 });
  expect(directory.message).toMatch(/; about 3000 inodes more are needed$/);
  expect((await shortageOf(soFar, "erofs", noInodes)).details).toMatchObject({ missingInodes: 16 });
});

test("what fails before there is a place says the least that is missing", () => {
  expect(withLeastShortage(full({ errno: "ENOSPC" }))).toMatchObject({
    message: "cannot write: no space is left at /place; about 512 KiB more are needed",
    details: { missingBytes: MIB / 2 },
  });
});

test("other errors, and those that are explained, stay as they are", async () => {
  const others = [
    new TypeError("a bug"),
    new ImportError("ERR_OUTPUT_IO", "the disk reports an error", { details: { path: "/place" } }),
    new ImportError("ERR_DISK_FULL", "the layers unpack to more than 1 MiB", {
      details: { limitBytes: MIB },
    }),
    full({ missingBytes: 7 }),
    full({ missingInodes: 7 }),
  ];
  for (const error of others) {
    expect(withLeastShortage(error)).toBe(error);
    const place = { format: "ext4", stagingPath: "/nowhere" } as const;
    expect(await withShortage(error, nobodyAsks, place)).toBe(error);
  }
});

function nobodyAsks(): never {
  throw new Error("nobody needs to know");
}
