import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { contentOf, fakeImport, importRequest, rootfsContent } from "../support/fake-import.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { runStoreProcess, startStoreProcess } from "../support/run-store-process.ts";
import type { StoreProcess } from "../support/run-store-process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { requireSoundStore } from "../support/store-invariants.ts";

const LONG = { timeout: 60_000 };
/** More for a long run: ROOTLIFT_STORE_KILLS=1000. */
const KILLS = Number(process.env["ROOTLIFT_STORE_KILLS"] ?? 4);

async function newStore(homePath = join(scratchDirectory(), "home")): Promise<Store> {
  const store = await openStore({ homePath, env: {} });
  onTestFinished(() => store.close());
  return store;
}

/** A process in the middle of an import. */
async function holdImport(args: readonly string[]): Promise<StoreProcess & { staging: string }> {
  const holder = startStoreProcess(["hold", ...args]);
  onTestFinished(() => {
    holder.child.kill("SIGKILL");
  });
  const outcome = await holder.next();
  return { ...holder, staging: String(outcome?.["stagingPath"]) };
}

async function kill({ child, ended }: StoreProcess): Promise<void> {
  child.kill("SIGKILL");
  await ended;
}

test("while its process lives, an import is nobody's to remove", LONG, async () => {
  const store = await newStore();
  const holder = await holdImport(["--home", store.homePath, "--name", "app"]);
  expect(await store.removeStaleIngests()).toBe(0);
  const error = await importErrorFrom(store.beginIngest(importRequest("app")));
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(error.message).toContain(`process ${holder.child.pid}`);
  await fakeImport(store, importRequest("other"));
  expect(rootfsContent(join(holder.staging, "rootfs"))).toBe(String(holder.child.pid));
});

test("what a killed import left is removed by the next one, its name is free", LONG, async () => {
  const store = await newStore();
  const holder = await holdImport(["--home", store.homePath, "--name", "app"]);
  await kill(holder);
  expect(existsSync(holder.staging)).toBe(true);
  expect(contentOf(await fakeImport(store, importRequest("app")))).toBe("app");
  expect(await requireSoundStore(store)).toEqual({ app: "app" });
});

test("an import killed on its way to an output leaves nothing there", LONG, async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "made", "out");
  const args = ["--home", store.homePath, "--name", "app", "--output", output];
  const holder = await holdImport(args);
  await kill(holder);
  expect(readdirSync(dirname(output))).toHaveLength(1);
  expect(await store.removeStaleIngests()).toBe(1);
  expect(readdirSync(scratch)).toEqual([]);
  expect(await store.removeStaleIngests()).toBe(0);
});

test("recovery touches nothing that it does not know to be its own", LONG, async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "out");
  const holder = await holdImport(["--home", store.homePath, "--name", "app", "--output", output]);
  await kill(holder);
  // Somebody else makes the output meanwhile; files of snapshots without a row may be all that is left of a lost catalog.
  mkdirSync(output);
  writeFileSync(join(output, "theirs"), "");
  mkdirSync(join(store.homePath, "snapshots", "snap_0123456789abcdefghij"));
  writeFileSync(join(store.homePath, "ingest", "notes.txt"), "");
  expect(await store.removeStaleIngests()).toBe(1);
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(readdirSync(output)).toEqual(["theirs"]);
  expect(readdirSync(join(store.homePath, "snapshots"))).toHaveLength(1);
  expect(readdirSync(join(store.homePath, "ingest"))).toEqual(["notes.txt"]);
});

test("a damaged record of an ingest never makes recovery remove something else", LONG, async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const holder = await holdImport(["--home", store.homePath, "--name", "app"]);
  await kill(holder);
  mkdirSync(join(scratch, "precious"));
  const record = {
    output: { path: scratch, stagingPath: join(scratch, "precious"), missingParents: [scratch] },
  };
  writeFileSync(join(dirname(holder.staging), "ingest.json"), JSON.stringify(record));
  expect(await store.removeStaleIngests()).toBe(1);
  expect(statSync(join(scratch, "precious")).isDirectory()).toBe(true);
  await requireSoundStore(store);
});

test(
  "whatever command comes next cleans up, and one that only reads does so too",
  LONG,
  async () => {
    const home = join(scratchDirectory(), "home");
    const holder = await holdImport(["--home", home, "--name", "app"]);
    await kill(holder);
    expect(readdirSync(join(home, "ingest"))).toHaveLength(2);
    expect(await runStoreProcess(["list", "--home", home])).toEqual([{ names: [] }]);
    expect(readdirSync(join(home, "ingest"))).toEqual([]);
  },
);

test("a directory of an ingest that has lost its lock file is removed", async () => {
  const store = await newStore();
  mkdirSync(join(store.homePath, "ingest", "0123456789abcdefghij"));
  expect(await store.removeStaleIngests()).toBe(1);
  await requireSoundStore(store);
});

test(
  "killed at random moments, importing, replacing and removing processes leave a sound store",
  { timeout: 60_000 + KILLS * 3000 },
  async () => {
    const store = await newStore();
    for (let round = 0; round < KILLS; round += 1) {
      const names = ["--name", `a${round % 2}`, "--name", "b", "--name", `c${round}`];
      const churner = startStoreProcess(["churn", "--home", store.homePath, "--replace", ...names]);
      onTestFinished(() => {
        churner.child.kill("SIGKILL");
      });
      expect(await churner.next()).toEqual({ churning: true });
      await sleep(Math.random() * 100);
      await kill(churner);
      await requireSoundStore(store);
      await fakeImport(store, importRequest("b", { replace: true }), `after ${round}`);
    }
    const contents = await requireSoundStore(store);
    expect(contents["b"]).toBe(`after ${KILLS - 1}`);
  },
);
