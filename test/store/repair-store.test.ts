import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { readCatalogContents } from "../../src/store/catalog-contents.ts";
import { openStore } from "../../src/store/open-store.ts";
import { contentOf, fakeImport, importRequest } from "../support/fake-import.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { changeCatalog, maintainedStore } from "../support/maintained-store.ts";
import { startStoreProcess } from "../support/run-store-process.ts";

test("a lost catalog is made again from the records, with every name", async () => {
  const store = await maintainedStore("app", "tensorlake/other:1");
  rmSync(join(store.home, "catalog.db"));
  const { restored, asidePath, lost } = await store.repair();
  expect(restored.map(({ name }) => name).toSorted()).toEqual(["app", "tensorlake/other:1"]);
  expect({ asidePath, lost }).toEqual({ asidePath: undefined, lost: [] });
  expect(await store.problems()).toEqual([]);
  const opened = await openStore({ homePath: store.home, env: {} });
  onTestFinished(() => opened.close());
  const found = await opened.catalog.find("app", { project: "default" });
  expect(found?.snapshot).toEqual(store.images.get("app")?.snapshot);
  expect(found === undefined ? "" : contentOf(found)).toBe("app");
  expect(found?.image.dockerfile).toBe("FROM docker.io/library/fake:1\n");
});

test("a damaged catalog is put aside, byte for byte, and what can be read of it is kept", async () => {
  const store = await maintainedStore("app", "other");
  const opened = await openStore({ homePath: store.home, env: {} });
  const request = { project: "other", public: false, replace: false, dockerfile: "FROM x\n" };
  const snapshotId = store.snapshotId("app");
  await opened.registerImage({ ...request, name: "second", snapshotId });
  opened.close();
  const before = await store.names();
  // Nothing reads the index of reservations; its page is damaged all the same.
  changeCatalog(store.home, "UPDATE snapshots SET record = '{' WHERE rowid = 1");
  const bytes = readFileSync(join(store.home, "catalog.db"));
  const { asidePath = "", restored } = await store.repair();
  expect(readFileSync(asidePath).equals(bytes)).toBe(true);
  expect(restored).toHaveLength(3);
  expect(await store.names()).toEqual(before);
  expect(await store.problems()).toEqual([]);
  const { images } = await readCatalogContents(join(store.home, "catalog.db"), true);
  expect(images).toContainEqual(
    expect.objectContaining({ name: "second", project: "other", dockerfile: "FROM x\n" }),
  );
});

test("whatever bytes of a catalog are damaged, a repair brings every snapshot back", async () => {
  const store = await maintainedStore("app", "b", "c");
  const path = join(store.home, "catalog.db");
  const sound = readFileSync(path);
  const ids = ["app", "b", "c"].map((name) => store.snapshotId(name)).toSorted();
  const patch = fc.record({
    at: fc.oneof(fc.nat(200), fc.nat(sound.length - 1)),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 4 }), async (patches) => {
      const damaged = Buffer.from(sound);
      for (const { at, bytes } of patches) damaged.set(bytes.slice(0, damaged.length - at), at);
      // Bytes that make it the catalog of a newer version are refused, as those are.
      damaged.writeUInt32BE(1, 60);
      rmSync(`${path}-journal`, { force: true });
      writeFileSync(path, damaged);
      await store.repair();
      const { images, records, faults } = await readCatalogContents(path, true);
      expect(faults).toEqual([]);
      expect([...records.keys()].toSorted()).toEqual(ids);
      expect(new Set(images.map(({ snapshotId }) => snapshotId)).size).toBe(3);
    }),
    { numRuns: 25 },
  );
  expect(await store.problems()).toEqual([]);
});

test("two snapshots of one name come back both, the newer with the name", async () => {
  const store = await maintainedStore("app", "b");
  for (const [name, createdAt] of [
    ["app", "2026-01-01T00:00:00.000Z"],
    ["b", "2026-02-01T00:00:00.000Z"],
  ] as const) {
    const directory = join(store.home, "snapshots", store.snapshotId(name));
    writeFileSync(
      join(directory, "image.json"),
      JSON.stringify({ name: "app", project: "default", public: true }),
    );
    const record = { ...store.images.get(name)?.snapshot, createdAt };
    writeFileSync(join(directory, "snapshot.json"), JSON.stringify(record));
  }
  rmSync(join(store.home, "catalog.db"));
  const { restored } = await store.repair();
  expect(restored).toContainEqual({
    name: store.snapshotId("app"),
    project: "default",
    snapshotId: store.snapshotId("app"),
    formerName: "app",
  });
  expect(await store.names()).toEqual({
    app: store.snapshotId("b"),
    [store.snapshotId("app")]: store.snapshotId("app"),
  });
});

test("a hostile or missing image.json costs the name, not the image", async () => {
  const store = await maintainedStore("app", "b", "c");
  const place = (name: string): string =>
    join(store.home, "snapshots", store.snapshotId(name), "image.json");
  writeFileSync(place("app"), JSON.stringify({ name: "a\nb", project: "\u0000", public: 1 }));
  writeFileSync(place("b"), "[");
  rmSync(place("c"));
  rmSync(join(store.home, "catalog.db"));
  await store.repair();
  const ids = ["app", "b", "c"].map((name) => store.snapshotId(name));
  expect(await store.names()).toEqual(Object.fromEntries(ids.map((id) => [id, id])));
  expect(await store.problems()).toEqual([]);
});

test("to a sound catalog only what it lacks is added, under the eyes of a running import", async () => {
  const store = await maintainedStore("app", "other");
  const holder = startStoreProcess(["hold", "--home", store.home, "--name", "new"]);
  onTestFinished(() => {
    holder.child.kill("SIGKILL");
  });
  await holder.next();
  changeCatalog(
    store.home,
    "DELETE FROM images WHERE name = 'app'; DELETE FROM snapshots WHERE id NOT IN (SELECT snapshot_id FROM images)",
  );
  const { restored, asidePath } = await store.repair();
  expect(asidePath).toBeUndefined();
  expect(restored.map(({ name }) => name)).toEqual(["app"]);
  expect(await store.problems()).toEqual([]);
  // But a catalog cannot be exchanged below it.
  changeCatalog(store.home, "UPDATE snapshots SET record = '{'");
  const error = await importErrorFrom(store.repair());
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toContain("has imports or exports in progress");
});

test("a record beside a snapshot is written anew from the catalog", async () => {
  const store = await maintainedStore("app");
  const path = join(store.home, "snapshots", store.snapshotId("app"), "snapshot.json");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, "{}");
  expect((await store.repair()).rewritten).toEqual([store.snapshotId("app")]);
  expect(readFileSync(path, "utf8")).toBe(text);
  expect((await store.repair()).rewritten).toEqual([]);
});

test("a snapshot whose root filesystem is gone is not restored, and stays for somebody to look at", async () => {
  const store = await maintainedStore("app", "b");
  rmSync(join(store.home, "snapshots", store.snapshotId("app"), "rootfs"), { recursive: true });
  rmSync(join(store.home, "catalog.db"));
  await store.repair();
  expect(Object.keys(await store.names())).toEqual(["b"]);
  expect(readdirSync(join(store.home, "snapshots"))).toContain(store.snapshotId("app"));
  expect(await store.problems()).toEqual([
    `${store.snapshotId("app")}: the catalog has no record of it (repair)`,
  ]);
});

test("who had the old catalog open cannot write into it once it was put aside", async () => {
  const store = await maintainedStore("app");
  const opened = await openStore({ homePath: store.home, env: {} });
  onTestFinished(() => opened.close());
  changeCatalog(store.home, "DELETE FROM snapshots");
  await store.repair();
  const error = await importErrorFrom(fakeImport(opened, importRequest("new")));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(Object.keys(await store.names())).toEqual(["app"]);
});
