import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readCatalogContents } from "../../src/store/catalog-contents.ts";
import { openStore } from "../../src/store/open-store.ts";
import { fakeImport, importRequest } from "../support/fake-import.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { changeCatalog, maintainedStore } from "../support/maintained-store.ts";
import { startStoreProcess } from "../support/run-store-process.ts";

test("a store that was only used has no problems, an empty one neither", async () => {
  const store = await maintainedStore("app", "other");
  expect(await store.problems()).toEqual([]);
  expect(await (await maintainedStore()).problems()).toEqual([]);
});

test("a check changes nothing, not even what it finds", async () => {
  const store = await maintainedStore("app");
  const directory = join(store.home, "snapshots", store.snapshotId("app"));
  rmSync(join(directory, "snapshot.json"));
  mkdirSync(join(store.home, "ingest", "00000000000000000000"));
  const before = statSync(join(store.home, "catalog.db"));
  expect(await store.problems()).toHaveLength(2);
  expect(readdirSync(directory)).not.toContain("snapshot.json");
  expect(readdirSync(join(store.home, "ingest"))).toEqual(["00000000000000000000"]);
  expect(statSync(join(store.home, "catalog.db")).mtimeMs).toBe(before.mtimeMs);
});

test.each([
  ["snapshot.json", "its snapshot.json is missing (repair)"],
  ["manifest.json", "its manifest.json is missing (import)"],
  ["config.json", "its config.json is missing (import)"],
  ["rootfs", "its root filesystem HOME/snapshots/ID/rootfs is missing (import)"],
  [".", "its directory HOME/snapshots/ID is missing (import)"],
])("a snapshot without its %s is a problem", async (name, problem) => {
  const store = await maintainedStore("app");
  const id = store.snapshotId("app");
  rmSync(`${store.home}/snapshots/${id}/${name}`.replace(/\/\.$/, ""), { recursive: true });
  expect(await store.problems()).toEqual([`${id} ("app"): ${problem.replace("ID", id)}`]);
});

test.each([
  ["snapshot.json", "{", "its snapshot.json is damaged (repair)"],
  ["manifest.json", "{}", "its manifest.json does not have its digest any more (import)"],
])("a %s with other bytes is a problem", async (name, bytes, problem) => {
  const store = await maintainedStore("app");
  const id = store.snapshotId("app");
  writeFileSync(join(store.home, "snapshots", id, name), bytes);
  expect(await store.problems()).toEqual([`${id} ("app"): ${problem}`]);
});

test("an image file that was cut is a problem, one that was grown is none", async () => {
  const store = await maintainedStore("app");
  const id = store.snapshotId("app");
  const path = join(store.home, "snapshots", id, "rootfs.ext4");
  changeCatalog(
    store.home,
    `UPDATE snapshots SET record = json_set(record, '$.format', 'ext4', '$.rootfsDiskBytes', 4096,
       '$.snapshotUri', 'file://${path}')`,
  );
  await store.repair();
  writeFileSync(path, Buffer.alloc(4095));
  expect(await store.problems()).toEqual([`${id} ("app"): its checksums is missing (import)`]);
  const { formatImageChecksums } = await import("../../src/store/image-checksums.ts");
  const [firstBlocks, blockCounts, checksums] = [[0], [1], [7]].map((list) =>
    Uint32Array.from(list),
  );
  if (firstBlocks === undefined || blockCounts === undefined || checksums === undefined) return;
  writeFileSync(
    join(store.home, "snapshots", id, "checksums"),
    formatImageChecksums({ blockBytes: 4096, firstBlocks, blockCounts, checksums }),
  );
  expect(await store.problems()).toEqual([
    `${id} ("app"): rootfs.ext4 has 4095 bytes, and had 4096 or more when it was imported (import)`,
  ]);
  writeFileSync(path, Buffer.alloc(8192));
  expect(await store.problems()).toEqual([]);
});

test("a snapshot without a record, and files of somebody else, are told", async () => {
  const store = await maintainedStore("app", "other");
  changeCatalog(
    store.home,
    "DELETE FROM images WHERE name = 'app'; DELETE FROM snapshots WHERE id NOT IN (SELECT snapshot_id FROM images)",
  );
  writeFileSync(join(store.home, "notes"), "");
  expect(await store.problems()).toEqual([
    `${store.snapshotId("app")}: the catalog has no record of it (repair)`,
    "HOME/notes: it is not rootlift's (look)",
  ]);
});

test.each([
  ["a row without its snapshot", "DELETE FROM snapshots", "there is no record of ID"],
  ["a record that is no JSON", "UPDATE snapshots SET record = '{'", "the record of snapshot ID"],
  ["a table that is gone", "DROP TABLE orphans", "no such table: orphans"],
])("%s is a fault of the catalog", async (_, sql, problem) => {
  const store = await maintainedStore("app");
  changeCatalog(store.home, sql);
  const [first] = await store.problems();
  expect(first).toContain(`HOME/catalog.db: ${problem.replace("ID", store.snapshotId("app"))}`);
});

test("a catalog that is missing or empty beside snapshots is damage to every command", async () => {
  const store = await maintainedStore("app");
  const path = join(store.home, "catalog.db");
  for (const [damage, why] of [
    [() => writeFileSync(path, ""), "it is empty, and there are snapshots"],
    [() => rmSync(path), "it is not there, and there are snapshots"],
  ] as const) {
    damage();
    const error = await importErrorFrom(openStore({ homePath: store.home, env: {} }));
    expect(error.code).toBe("ERR_STORE_CORRUPT");
    expect(error.message).toContain(why);
    expect(error.hint).toContain("tl store check --repair");
    expect((await store.problems())[0]).toBe(`HOME/catalog.db: ${why} (repair)`);
  }
});

test("a catalog of a newer version is refused, and not taken for damage", async () => {
  const store = await maintainedStore("app");
  changeCatalog(store.home, "PRAGMA user_version = 99");
  for (const call of [() => store.problems(), () => store.repair(), () => store.measure()]) {
    expect((await importErrorFrom(call())).code).toBe("ERR_STORE_NEWER");
  }
  expect((await importErrorFrom(store.collectGarbage())).code).toBe("ERR_STORE_NEWER");
});

test("an import at work is no problem; when it was killed it is a leftover, until gc", async () => {
  const store = await maintainedStore("app");
  const holder = startStoreProcess(["hold", "--home", store.home, "--name", "new"]);
  onTestFinished(() => {
    holder.child.kill("SIGKILL");
  });
  const id = String((await holder.next())?.["id"]);
  expect(await store.problems()).toEqual([]);
  expect(await store.collectGarbage()).toMatchObject({ removed: [], kept: [] });
  holder.child.kill("SIGKILL");
  await holder.ended;
  expect(await store.problems()).toEqual([
    `HOME/ingest/${id}: it is an import or export that ended without cleaning up (gc)`,
  ]);
  expect((await store.measure()).leftovers.diskBytes).toBeGreaterThan(0);
  const { removed, kept, freedBytes } = await store.collectGarbage();
  expect(removed).toEqual([
    expect.objectContaining({ path: join(store.home, "ingest", id), diskBytes: freedBytes }),
  ]);
  expect(kept).toEqual([]);
  expect(freedBytes).toBeGreaterThan(0);
  expect(readdirSync(join(store.home, "ingest"))).toEqual([]);
  expect(await store.problems()).toEqual([]);
});

test("orphans and what was being removed are leftovers", async () => {
  const store = await maintainedStore("app", "other");
  const id = store.snapshotId("app");
  changeCatalog(
    store.home,
    `DELETE FROM images WHERE name = 'app'; DELETE FROM snapshots WHERE id = '${id}';
     INSERT INTO orphans VALUES ('${id}')`,
  );
  mkdirSync(join(store.home, "ingest", `x.${"1".repeat(20)}.trash`));
  writeFileSync(join(store.home, `catalog.db.new-${"2".repeat(20)}`), "");
  expect(await store.problems()).toHaveLength(3);
  const { removed } = await store.collectGarbage();
  expect(removed).toHaveLength(3);
  expect(readdirSync(join(store.home, "snapshots"))).toEqual([store.snapshotId("other")]);
  expect(await store.problems()).toEqual([]);
});

test("any command removes the catalog that a killed repair began", async () => {
  const store = await maintainedStore("app");
  writeFileSync(join(store.home, `catalog.db.new-${"2".repeat(20)}`), "");
  writeFileSync(join(store.home, "catalog.db.damaged-20261125T000000Z-abcdef"), "kept");
  const opened = await openStore({ homePath: store.home, env: {} });
  opened.close();
  const catalogs = readdirSync(store.home).filter((name) => name.startsWith("catalog.db."));
  expect(catalogs).toEqual(["catalog.db.damaged-20261125T000000Z-abcdef"]);
});

test("a catalog of the first schema version, as it was released, opens with all it has", async () => {
  const store = await maintainedStore("app");
  // Version 1 is the only one that there ever was. When another comes: this text, frozen, goes through its migration.
  const contents = await readCatalogContents(join(store.home, "catalog.db"), true);
  const record = JSON.stringify(store.images.get("app")?.snapshot);
  rmSync(join(store.home, "catalog.db"));
  changeCatalog(store.home, VERSION_1);
  changeCatalog(
    store.home,
    `INSERT INTO snapshots VALUES ('${store.snapshotId("app")}', '${record}');
     INSERT INTO images VALUES ('sandbox_template_${"a".repeat(20)}', 'default', 'old', 0,
       '${store.snapshotId("app")}', NULL, '2026-01-02T03:04:05.000Z');`,
  );
  const opened = await openStore({ homePath: store.home, env: {} });
  onTestFinished(() => opened.close());
  expect(await opened.catalog.find("old", { project: "default" })).toMatchObject({
    snapshot: contents.records.get(store.snapshotId("app")),
  });
  await fakeImport(opened, importRequest("new"));
  expect(Object.keys(await store.names())).toEqual(["new", "old"]);
  expect(await store.problems()).toEqual([]);
});

const VERSION_1 = `
  CREATE TABLE snapshots (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE images (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL,
    public INTEGER NOT NULL CHECK (public IN (0, 1)),
    snapshot_id TEXT NOT NULL REFERENCES snapshots (id),
    dockerfile TEXT, created_at TEXT NOT NULL, UNIQUE (project, name)
  ) STRICT;
  CREATE UNIQUE INDEX public_names ON images (name) WHERE public = 1;
  CREATE INDEX images_by_snapshot ON images (snapshot_id);
  CREATE TABLE reservations (
    ingest_id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL,
    public INTEGER NOT NULL CHECK (public IN (0, 1)), pid INTEGER NOT NULL, created_at TEXT NOT NULL
  ) STRICT;
  CREATE INDEX reservations_by_name ON reservations (name);
  CREATE TABLE orphans (snapshot_id TEXT PRIMARY KEY) STRICT;
  PRAGMA application_id = 1920232550;
  PRAGMA user_version = 1;`;
