import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { resolveHomePath } from "../../src/store/store-home.ts";
import { fakeImport, importRequest } from "../support/fake-import.ts";
import { importErrorFrom, importErrorOf } from "../support/import-error.ts";
import { runStoreProcess } from "../support/run-store-process.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** Who is refused what root may do. */
const NOBODY = 65534;

test("the store is at $ROOTLIFT_HOME, else under $XDG_DATA_HOME, else under $HOME", () => {
  const env = { ROOTLIFT_HOME: "/r", XDG_DATA_HOME: "/x", HOME: "/h" };
  expect(resolveHomePath({ env, homePath: "/given" })).toBe("/given");
  expect(resolveHomePath({ env })).toBe("/r");
  expect(resolveHomePath({ env: { ...env, ROOTLIFT_HOME: "" } })).toBe("/x/rootlift");
  expect(resolveHomePath({ env: { HOME: "/h" } })).toBe("/h/.local/share/rootlift");
  expect(resolveHomePath({ env: { ROOTLIFT_HOME: "here" } })).toBe(join(process.cwd(), "here"));
});

test("a relative $XDG_DATA_HOME is ignored, as its specification says", () => {
  expect(resolveHomePath({ env: { XDG_DATA_HOME: "x", HOME: "/h" } })).toBe(
    "/h/.local/share/rootlift",
  );
});

test("without any of the three there is no place for a store", () => {
  const error = importErrorOf(() => resolveHomePath({ env: { HOME: "" } }));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toContain("$HOME");
  expect(error.hint).toContain("ROOTLIFT_HOME");
});

test("a new store is for its owner only", async () => {
  const homePath = join(scratchDirectory(), "a", "b");
  const store = await openStore({ homePath, env: {} });
  store.close();
  const modes = ["", "snapshots", "ingest"].map(
    (name) => statSync(join(homePath, name)).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o700, 0o700]);
  expect(statSync(join(homePath, "catalog.db")).mode & 0o777).toBe(0o600);
  expect(readdirSync(homePath).toSorted()).toEqual(["catalog.db", "ingest", "snapshots"]);
});

test("a store reached through a symbolic link is one place", async () => {
  const scratch = scratchDirectory();
  mkdirSync(join(scratch, "real"));
  symlinkSync("real", join(scratch, "link"));
  const store = await openStore({ homePath: join(scratch, "link"), env: {} });
  expect(store.homePath).toBe(join(scratch, "real"));
  store.close();
});

test.each([
  ["a file", (path: string) => writeFileSync(path, ""), "not a directory"],
  [
    "a dangling link",
    (path: string) => symlinkSync("nowhere", path),
    "a symbolic link that leads nowhere",
  ],
])("a store that is %s is refused", async (_, make, why) => {
  const homePath = join(scratchDirectory(), "home");
  make(homePath);
  const error = await importErrorFrom(openStore({ homePath, env: {} }));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toContain(homePath);
  expect(error.message).toMatch(new RegExp(why));
});

test("a parent that is a file is named in the error", async () => {
  const scratch = scratchDirectory();
  writeFileSync(join(scratch, "file"), "");
  const error = await importErrorFrom(openStore({ homePath: join(scratch, "file", "s"), env: {} }));
  expect(error.message).toBe(`the store needs ${scratch}/file, which is not a directory`);
});

test("where the user may not write, the error says so", async () => {
  const scratch = scratchDirectory();
  chmodSync(scratch, 0o555);
  const uid = process.getuid?.() === 0 ? { uid: NOBODY } : {};
  const [outcome] = await runStoreProcess(["list", "--home", join(scratch, "s")], uid);
  chmodSync(scratch, 0o755);
  expect(outcome).toMatchObject({
    code: "ERR_STORE_IO",
    message: `cannot open the store ${scratch}/s: permission denied`,
    hint: "Run as the user who owns it, or choose another place.",
  });
});

test("where a directory takes nothing new, the error says so", async () => {
  // Node's own recursive mkdir tries for ever there, in the thread that would notice.
  const wrapper = ["timeout", "--signal=KILL", "20"];
  const [outcome] = await runStoreProcess(["list", "--home", "/proc/rootlift/s"], { wrapper });
  expect(outcome).toMatchObject({ code: "ERR_STORE_IO" });
  expect(outcome?.["message"]).toContain("cannot open the store /proc/rootlift/s");
});

test("a store that can only be read is listed, and refuses to import", async () => {
  const homePath = join(scratchDirectory(), "home");
  const store = await openStore({ homePath, env: {} });
  await fakeImport(store, importRequest("kept"));
  store.close();
  const root = process.getuid?.() === 0;
  for (const name of ["ingest", "snapshots", "catalog.db", "."]) {
    const path = join(homePath, name);
    if (root) chownSync(path, NOBODY, NOBODY);
    chmodSync(path, name === "catalog.db" ? 0o444 : 0o555);
  }
  if (root) chmodSync(join(homePath, ".."), 0o755);
  const options = root ? { uid: NOBODY } : {};
  expect(await runStoreProcess(["list", "--home", homePath], options)).toEqual([
    { names: ["kept"] },
  ]);
  const [outcome] = await runStoreProcess(["import", "--home", homePath, "--name", "new"], options);
  chmodSync(homePath, 0o755);
  for (const name of ["ingest", "snapshots"]) chmodSync(join(homePath, name), 0o755);
  expect(outcome).toMatchObject({ won: false, code: "ERR_STORE_IO" });
});

test("a store of a newer version is left alone", async () => {
  const homePath = scratchDirectory();
  (await openStore({ homePath, env: {} })).close();
  const database = new DatabaseSync(join(homePath, "catalog.db"));
  database.exec("PRAGMA user_version = 99");
  database.close();
  const error = await importErrorFrom(openStore({ homePath, env: {} }));
  expect(error.code).toBe("ERR_STORE_NEWER");
  expect(error.message).toBe(
    `the store ${homePath}/catalog.db has schema version 99, this rootlift knows up to 1`,
  );
});

test("an empty catalog file, as a crash leaves it, becomes a catalog", async () => {
  const homePath = scratchDirectory();
  writeFileSync(join(homePath, "catalog.db"), "");
  const store = await openStore({ homePath, env: {} });
  expect(await store.catalog.list({ project: "default" })).toEqual([]);
  store.close();
});

test.each([
  ["text", (path: string) => writeFileSync(path, "not a database, but long enough".repeat(99))],
  [
    "somebody else's database",
    (path: string) => {
      const database = new DatabaseSync(path);
      database.exec("CREATE TABLE theirs (a)");
      database.close();
    },
  ],
  [
    "a catalog whose header lost its version",
    (path: string) => {
      const database = new DatabaseSync(path);
      database.exec("PRAGMA application_id = 1920232550; PRAGMA user_version = -1");
      database.close();
    },
  ],
])("a catalog that is %s is refused, and not touched", async (_, make) => {
  const homePath = scratchDirectory();
  const path = join(homePath, "catalog.db");
  make(path);
  const before = statSync(path);
  const error = await importErrorFrom(openStore({ homePath, env: {} }));
  expect(error.code).toBe("ERR_STORE_CORRUPT");
  expect(error.message).toContain(path);
  expect(statSync(path)).toMatchObject({ mtimeMs: before.mtimeMs, size: before.size });
});

test("a process that uses the store says nothing of experimental modules", async () => {
  const homePath = join(scratchDirectory(), "home");
  // Fails on any output to stderr.
  expect(await runStoreProcess(["list", "--home", homePath])).toEqual([{ names: [] }]);
});
