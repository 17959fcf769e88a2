import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ExportPlaceOptions } from "../../src/store/export-place.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { importErrorOf } from "../support/import-error.ts";
import { startStoreProcess } from "../support/run-store-process.ts";
import { scratchDirectory } from "../support/scratch.ts";

const LONG = { timeout: 60_000 };

async function newStore(): Promise<Store> {
  const store = await openStore({ homePath: join(scratchDirectory(), "home"), env: {} });
  onTestFinished(() => store.close());
  return store;
}

const ingestsOf = (store: Store): readonly string[] => readdirSync(join(store.homePath, "ingest"));

function optionsFor(outputPath: string): ExportPlaceOptions {
  const facts = { name: "app", project: "default", replace: false, fsync: false };
  return { ...facts, kind: "file", outputPath };
}

/** A process in the middle of an export; `kill` ends it as the kernel does when memory runs out. */
async function holdExport(
  store: Store,
  kind: "file" | "directory",
  output: string,
): Promise<{ readonly growingPath: string; readonly kill: () => Promise<void> }> {
  const home = store.homePath;
  const args = ["--home", home, "--name", "app", "--output", output, "--content", kind];
  const holder = startStoreProcess(["hold-export", ...args]);
  onTestFinished(() => {
    holder.child.kill("SIGKILL");
  });
  const outcome = await holder.next();
  const kill = async (): Promise<void> => {
    holder.child.kill("SIGKILL");
    await holder.ended;
  };
  return { growingPath: String(outcome?.["growingPath"]), kill };
}

test.each(["file", "directory"] as const)(
  "what a killed export of a %s left is removed by whatever comes next, and nothing before",
  LONG,
  async (kind) => {
    const store = await newStore();
    const scratch = scratchDirectory();
    const output = join(scratch, "made", "out");
    const { growingPath, kill } = await holdExport(store, kind, output);
    expect(await store.removeStaleIngests()).toBe(0);
    expect(existsSync(growingPath)).toBe(true);
    await kill();
    expect(readdirSync(dirname(output))).toHaveLength(1);
    expect(await store.removeStaleIngests()).toBe(1);
    expect(readdirSync(scratch)).toEqual([]);
    expect(ingestsOf(store)).toEqual([]);
  },
);

test("an export that is killed right after it appeared stays", LONG, async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "made", "out");
  const { growingPath, kill } = await holdExport(store, "directory", output);
  await kill();
  // What `publish` does before it is killed; its record is still there.
  mkdirSync(output);
  writeFileSync(join(output, "exported"), "");
  expect(await store.removeStaleIngests()).toBe(1);
  expect(readdirSync(output)).toEqual(["exported"]);
  expect(existsSync(dirname(growingPath))).toBe(false);
});

test("an export that ends leaves its output and no record", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const place = store.openExport(optionsFor(join(scratch, "out")));
  expect(ingestsOf(store)).toHaveLength(2);
  writeFileSync(place.growingPath, "all of it");
  place.publish();
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(ingestsOf(store)).toEqual([]);
  const given = store.openExport(optionsFor(join(scratch, "made", "other")));
  given.discard();
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(ingestsOf(store)).toEqual([]);
});

test("an export that is refused leaves no record", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const path = join(scratch, "out");
  writeFileSync(path, "theirs");
  const error = importErrorOf(() => store.openExport(optionsFor(path)));
  expect(error.code).toBe("ERR_OUTPUT_EXISTS");
  const below = importErrorOf(() => store.openExport(optionsFor(join(path, "a"))));
  expect(below.code).toBe("ERR_OUTPUT_IO");
  expect(readFileSync(path, "utf8")).toBe("theirs");
  expect(ingestsOf(store)).toEqual([]);
});

test("an export goes on where the store takes no record", async () => {
  const store = await newStore();
  const ingest = join(store.homePath, "ingest");
  rmdirSync(ingest);
  writeFileSync(ingest, "in the way");
  const scratch = scratchDirectory();
  const place = store.openExport(optionsFor(join(scratch, "out")));
  writeFileSync(place.growingPath, "all of it");
  place.publish();
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(statSync(ingest).isFile()).toBe(true);
});

test("an export that is published is done, even if its staging place cannot be removed; the next command does", async () => {
  const store = await newStore();
  const output = join(scratchDirectory(), "out");
  const place = store.openExport(optionsFor(output));
  writeFileSync(place.growingPath, "all of it");
  writeFileSync(join(dirname(place.growingPath), "in the way"), "");
  place.publish();
  expect(readFileSync(output, "utf8")).toBe("all of it");
  expect(existsSync(dirname(place.growingPath))).toBe(true);
  await store.removeStaleIngests();
  expect(readdirSync(dirname(output))).toEqual(["out"]);
  expect(ingestsOf(store)).toEqual([]);
});
