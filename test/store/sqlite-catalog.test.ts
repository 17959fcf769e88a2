import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import type { Catalog, RegisterRequest } from "../../src/store/catalog.ts";
import { randomToken } from "../../src/store/ids.ts";
import type { SnapshotRecord } from "../../src/store/records.ts";
import { openSqliteCatalog } from "../../src/store/sqlite-catalog.ts";
import { FACTS } from "../support/fake-import.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const HERE = { project: "here" };
const THERE = { project: "there" };

interface TestCatalog {
  readonly catalog: Catalog;
  readonly path: string;
  /** Ingests whose process "lives". */
  readonly live: Set<string>;
}

async function newCatalog(): Promise<TestCatalog> {
  const path = join(scratchDirectory(), "catalog.db");
  const live = new Set<string>();
  const catalog = await openSqliteCatalog({ path, isIngestLive: (id) => live.has(id) });
  onTestFinished(() => catalog.close());
  return { catalog, path, live };
}

function snapshotRecord(changes: Partial<SnapshotRecord> = {}): SnapshotRecord {
  const token = randomToken();
  return {
    ...FACTS,
    id: `snap_${token}`,
    status: "completed",
    sandboxId: `import_${token}`,
    snapshotUri: `file:///store/snapshots/snap_${token}/rootfs`,
    ...changes,
  };
}

/** Commits a snapshot of its own under the name. @returns its id */
async function name(
  catalog: Catalog,
  request: Partial<RegisterRequest> & { readonly name: string },
  snapshot: SnapshotRecord = snapshotRecord(),
): Promise<string> {
  const defaults = { ...HERE, public: false, replace: false, snapshotId: snapshot.id };
  await catalog.commit(snapshot, { ...defaults, ...request }, randomToken());
  return snapshot.id;
}

function damage(path: string, sql: string): void {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  database.exec(sql);
  database.close();
}

test("an image is found by its name, its id and the id of its snapshot", async () => {
  const { catalog } = await newCatalog();
  const snapshot = snapshotRecord();
  const request = { ...HERE, name: "app", public: false, replace: false, snapshotId: snapshot.id };
  const made = await catalog.commit(
    snapshot,
    { ...request, dockerfile: "FROM x\n" },
    randomToken(),
  );
  expect(made.image.id).toMatch(/^sandbox_template_[0-9a-z]{20}$/);
  expect(made.image).toMatchObject({ name: "app", project: "here", dockerfile: "FROM x\n" });
  expect(made.snapshot).toEqual(snapshot);
  for (const key of ["app", made.image.id, snapshot.id]) {
    expect(await catalog.find(key, HERE)).toEqual(made);
  }
  expect(await catalog.findByName(snapshot.id, HERE)).toBeUndefined();
  expect(await catalog.snapshot(snapshot.id)).toEqual(snapshot);
});

test.each([
  "tensorlake/python:3.12-slim",
  "a b",
  "größe/ß:ß",
  "App",
  "x'; DROP TABLE images; --",
  "100%_?*",
  "..",
])("the name %j is kept byte for byte", async (odd) => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "other" });
  await name(catalog, { name: odd });
  expect((await catalog.find(odd, HERE))?.image.name).toBe(odd);
  expect(await catalog.remove(odd, HERE)).toMatchObject({ name: odd });
  expect(await catalog.list(HERE)).toHaveLength(1);
});

test("names are case-sensitive, and not folded by Unicode either", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "App" });
  await name(catalog, { name: "app" });
  await name(catalog, { name: "é" });
  await name(catalog, { name: "e\u0301" });
  expect((await catalog.list(HERE)).map(({ image }) => image.name)).toEqual([
    "App",
    "app",
    "e\u0301",
    "é",
  ]);
});

test("a name is taken within its project, and free in another", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "app" });
  const error = await importErrorFrom(name(catalog, { name: "app" }));
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(error.message).toBe('image name "app" is registered already');
  expect(error.hint).toContain("--replace");
  const there = await name(catalog, { ...THERE, name: "app" });
  expect((await catalog.find("app", THERE))?.snapshot.id).toBe(there);
});

test("a refused commit records nothing", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "app" });
  const snapshot = snapshotRecord();
  await importErrorFrom(name(catalog, { name: "app" }, snapshot));
  expect(await catalog.snapshot(snapshot.id)).toBeUndefined();
});

test("a public image is found from every project, a private one only from its own", async () => {
  const { catalog } = await newCatalog();
  const shared = await name(catalog, { name: "shared", public: true });
  const secret = await name(catalog, { name: "secret" });
  expect((await catalog.find("shared", THERE))?.snapshot.id).toBe(shared);
  expect((await catalog.find(shared, THERE))?.snapshot.id).toBe(shared);
  expect(await catalog.find("secret", THERE)).toBeUndefined();
  expect(await catalog.find(secret, THERE)).toBeUndefined();
  expect(await catalog.list(THERE)).toEqual([]);
});

test("a project's own image wins over a public one of the same name", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "base", public: true });
  const own = await name(catalog, { ...THERE, name: "base" });
  expect((await catalog.find("base", THERE))?.snapshot.id).toBe(own);
  expect((await catalog.findByName("base", THERE))?.snapshot.id).toBe(own);
});

test("two public images of one name are refused, whoever replaces", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "base", public: true });
  const error = await importErrorFrom(
    name(catalog, { ...THERE, name: "base", public: true, replace: true }),
  );
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(error.message).toBe('image name "base" is a public image of project "here"');
  expect(error.hint).not.toContain("--replace");
});

test("to replace gives the name to the new snapshot and the old one up", async () => {
  const { catalog } = await newCatalog();
  const old = await name(catalog, { name: "app" });
  const next = await name(catalog, { name: "app", replace: true });
  expect((await catalog.find("app", HERE))?.snapshot.id).toBe(next);
  expect(await catalog.list(HERE)).toHaveLength(1);
  expect(await catalog.snapshot(old)).toBeUndefined();
  expect(await catalog.orphans()).toEqual([old]);
  await catalog.forgetOrphan(old);
  expect(await catalog.orphans()).toEqual([]);
});

test("a snapshot stays as long as one name has it", async () => {
  const { catalog } = await newCatalog();
  const snapshotId = await name(catalog, { name: "one" });
  const request = { ...HERE, snapshotId, public: false, replace: false };
  await catalog.register({ ...request, name: "two" });
  await catalog.remove("one", HERE);
  expect(await catalog.orphans()).toEqual([]);
  expect((await catalog.find("two", HERE))?.snapshot.id).toBe(snapshotId);
  await catalog.remove("two", HERE);
  expect(await catalog.orphans()).toEqual([snapshotId]);
});

test("a name that is replaced by another for the same snapshot loses nothing", async () => {
  const { catalog } = await newCatalog();
  const snapshotId = await name(catalog, { name: "app" });
  await catalog.register({ ...HERE, snapshotId, name: "app", public: true, replace: true });
  expect(await catalog.find("app", THERE)).toMatchObject({ snapshot: { id: snapshotId } });
  expect(await catalog.orphans()).toEqual([]);
});

test("register refuses a snapshot that is unknown, in progress, failed or not durable", async () => {
  const { catalog, path, live } = await newCatalog();
  const request = { ...HERE, name: "new", public: false, replace: false };
  const refusal = async (snapshotId: string): Promise<string> => {
    const error = await importErrorFrom(catalog.register({ ...request, snapshotId }));
    return `${error.code}: ${error.message}`;
  };
  expect(await refusal("snap_x")).toBe("ERR_NOT_FOUND: snapshot snap_x not found");
  live.add("runs");
  expect(await refusal("snap_runs")).toBe(
    "ERR_SNAPSHOT_NOT_COMPLETED: snapshot snap_runs is not completed (status: in_progress)",
  );
  const failed = snapshotRecord({ status: "failed" });
  const { snapshotUri: _, ...volatile } = snapshotRecord();
  for (const record of [failed, volatile]) {
    damage(path, `INSERT INTO snapshots VALUES ('${record.id}', '${JSON.stringify(record)}')`);
  }
  expect(await refusal(failed.id)).toBe(
    `ERR_SNAPSHOT_NOT_COMPLETED: snapshot ${failed.id} is not completed (status: failed)`,
  );
  expect(await refusal(volatile.id)).toBe(
    `ERR_SNAPSHOT_NOT_COMPLETED: snapshot ${volatile.id} is missing snapshot_uri`,
  );
});

test("only the project that owns a public image removes it", async () => {
  const { catalog } = await newCatalog();
  await name(catalog, { name: "shared", public: true });
  const error = await importErrorFrom(catalog.remove("shared", THERE));
  expect(error.code).toBe("ERR_NOT_PERMITTED");
  expect(error.message).toBe('image "shared" is a public image of project "here"');
  expect(await catalog.remove("shared", HERE)).toMatchObject({ name: "shared" });
  expect(await catalog.remove("shared", HERE)).toBeUndefined();
});

test("a snapshot id removes the image only when it is the only one", async () => {
  const { catalog } = await newCatalog();
  const snapshotId = await name(catalog, { name: "one" });
  await catalog.register({ ...HERE, snapshotId, name: "two", public: false, replace: false });
  const error = await importErrorFrom(catalog.remove(snapshotId, HERE));
  expect(error.code).toBe("ERR_OPTION_INVALID");
  expect(error.message).toBe(`snapshot ${snapshotId} has 2 names: "one", "two"`);
  await catalog.remove("one", HERE);
  expect(await catalog.remove(snapshotId, HERE)).toMatchObject({ name: "two" });
});

test("a reservation holds the name against everybody while its import lives", async () => {
  const { catalog, live } = await newCatalog();
  const claim = { ...HERE, name: "app", public: false, replace: false };
  await catalog.reserve({ ...claim, ingestId: "first" });
  live.add("first");
  const refused = await importErrorFrom(catalog.reserve({ ...claim, ingestId: "second" }));
  expect(refused.code).toBe("ERR_NAME_TAKEN");
  expect(refused.message).toBe(`image name "app" is being imported by process ${process.pid}`);
  // To replace does not help: of two that replace at once, one would be lost.
  const replacing = catalog.reserve({ ...claim, ingestId: "third", replace: true });
  expect((await importErrorFrom(replacing)).code).toBe("ERR_NAME_TAKEN");
  expect((await importErrorFrom(catalog.requireFree(claim))).code).toBe("ERR_NAME_TAKEN");
  expect((await importErrorFrom(name(catalog, { name: "app" }))).code).toBe("ERR_NAME_TAKEN");
  await catalog.reserve({ ...claim, ...THERE, ingestId: "elsewhere" });
  await catalog.release("first");
  await catalog.reserve({ ...claim, ingestId: "second" });
});

test("a reservation of an import that is gone does not count", async () => {
  const { catalog, path } = await newCatalog();
  const claim = { ...HERE, name: "app", public: false, replace: false };
  await catalog.reserve({ ...claim, ingestId: "dead" });
  await catalog.requireFree(claim);
  await catalog.reserve({ ...claim, ingestId: "next" });
  const database = new DatabaseSync(path);
  expect(database.prepare("SELECT ingest_id FROM reservations").all()).toEqual([
    { ingest_id: "next" },
  ]);
  database.close();
});

test("a public reservation holds the name against public ones of all projects", async () => {
  const { catalog, live } = await newCatalog();
  const claim = { name: "base", public: true, replace: false };
  await catalog.reserve({ ...claim, ...HERE, ingestId: "first" });
  live.add("first");
  const rival = catalog.reserve({ ...claim, ...THERE, ingestId: "second" });
  expect((await importErrorFrom(rival)).code).toBe("ERR_NAME_TAKEN");
  await catalog.reserve({ ...claim, ...THERE, public: false, ingestId: "third" });
});

test("a commit ends the reservation of its import", async () => {
  const { catalog, live } = await newCatalog();
  const snapshot = snapshotRecord();
  const request = { ...HERE, name: "app", public: false, replace: false, snapshotId: snapshot.id };
  await catalog.reserve({ ...request, ingestId: "mine" });
  live.add("mine");
  await catalog.commit(snapshot, request, "mine");
  await catalog.remove("app", HERE);
  await expect(catalog.requireFree(request)).resolves.toBeUndefined();
});

test("an invalid name or project never reaches a row", async () => {
  const { catalog } = await newCatalog();
  expect((await importErrorFrom(name(catalog, { name: "a\nb" }))).code).toBe("ERR_NAME_INVALID");
  const project = name(catalog, { name: "a", project: "" });
  expect((await importErrorFrom(project)).code).toBe("ERR_OPTION_INVALID");
});

test.each([
  ["a record that is no JSON", "UPDATE snapshots SET record = '{'"],
  [
    "a record of another snapshot",
    `UPDATE snapshots SET record = replace(record, 'snap_', 'snip_')`,
  ],
  ["a record without a status", `UPDATE snapshots SET record = json_remove(record, '$.status')`],
  ["a row without its snapshot", "DELETE FROM snapshots"],
])("%s is damage, and said so", async (_, sql) => {
  const { catalog, path } = await newCatalog();
  await name(catalog, { name: "app" });
  damage(path, sql);
  for (const call of [() => catalog.find("app", HERE), () => catalog.list(HERE)]) {
    const error = await importErrorFrom(call());
    expect(error.code).toBe("ERR_STORE_CORRUPT");
    expect(error.message).toContain(path);
  }
  // The name can be given up all the same.
  expect(await catalog.remove("app", HERE)).toMatchObject({ name: "app" });
});

test("a catalog that is closed says so", async () => {
  const { catalog } = await newCatalog();
  catalog.close();
  catalog.close();
  expect((await importErrorFrom(catalog.list(HERE))).code).toBe("ERR_STORE_IO");
});
