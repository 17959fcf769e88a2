import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { parseSnapshotRecord } from "../../src/store/record-codec.ts";
import type { Store } from "../../src/store/store.ts";
import {
  commitFake,
  contentOf,
  fakeImport,
  importRequest,
  makeRootfs,
} from "../support/fake-import.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const PROJECT = { project: "default" };

async function newStore(homePath = join(scratchDirectory(), "home")): Promise<Store> {
  const store = await openStore({ homePath, env: {} });
  onTestFinished(() => store.close());
  return store;
}

/** Everything but the catalog. */
function filesOf(store: Store): readonly string[] {
  return readdirSync(store.homePath, { recursive: true, encoding: "utf8" })
    .filter((path) => !["catalog.db", "ingest", "snapshots"].includes(path))
    .toSorted();
}

test("a committed import is a directory of the store and a name", async () => {
  const store = await newStore();
  const request = importRequest("app");
  const ingest = await store.beginIngest(request);
  expect(statSync(ingest.stagingPath).mode & 0o777).toBe(0o700);
  expect(dirname(ingest.rootfsPath)).toBe(ingest.stagingPath);
  const registered = await commitFake(ingest, request, "content");
  const directory = join(store.homePath, "snapshots", ingest.snapshotId);
  expect(registered.snapshot).toMatchObject({
    id: ingest.snapshotId,
    status: "completed",
    sandboxId: `import_${ingest.id}`,
    reference: "docker.io/library/fake:1",
  });
  expect(fileURLToPath(registered.snapshot.snapshotUri ?? "")).toBe(join(directory, "rootfs"));
  expect(contentOf(registered)).toBe("content");
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(parseSnapshotRecord(readFileSync(join(directory, "snapshot.json"), "utf8"))).toEqual(
    registered.snapshot,
  );
  expect(readFileSync(join(directory, "config.json"), "utf8")).toBe("{}");
  expect(readFileSync(join(directory, "manifest.json"), "utf8")).toBe('{"m":1}');
  expect(readdirSync(join(store.homePath, "ingest"))).toEqual([]);
  expect(await store.catalog.find("app", PROJECT)).toEqual(registered);
  await ingest.abort();
  expect(contentOf(registered)).toBe("content");
});

test("an aborted import leaves nothing, and its name free", async () => {
  const store = await newStore();
  const ingest = await store.beginIngest(importRequest("app"));
  makeRootfs(ingest.rootfsPath, "x");
  await ingest.abort();
  await ingest.abort();
  expect(filesOf(store)).toEqual([]);
  await fakeImport(store, importRequest("app"));
});

test("an import ends once", async () => {
  const store = await newStore();
  const request = importRequest("app");
  const ingest = await store.beginIngest(request);
  await ingest.abort();
  const error = await importErrorFrom(commitFake(ingest, request, "x"));
  expect(error.message).toContain("has ended already");
});

test("an abort during a commit waits for it", async () => {
  const store = await newStore();
  const request = importRequest("app");
  const ingest = await store.beginIngest(request);
  const committing = commitFake(ingest, request, "x");
  await ingest.abort();
  expect(contentOf(await committing)).toBe("x");
});

test("a taken name is refused before anything is made", async () => {
  const store = await newStore();
  await fakeImport(store, importRequest("app"));
  const before = filesOf(store);
  const output = join(scratchDirectory(), "out");
  const error = await importErrorFrom(
    store.beginIngest(importRequest("app", { outputPath: output })),
  );
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(filesOf(store)).toEqual(before);
  expect(existsSync(output)).toBe(false);
});

test("two imports of one name side by side: the second is refused", async () => {
  const store = await newStore();
  const first = await store.beginIngest(importRequest("app"));
  const other = await newStore(store.homePath);
  const error = await importErrorFrom(other.beginIngest(importRequest("app", { replace: true })));
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(error.message).toContain("is being imported by process");
  await first.abort();
  await (await other.beginIngest(importRequest("app"))).abort();
});

test("a replaced image keeps its files until the new one is there, and not longer", async () => {
  const store = await newStore();
  const old = await fakeImport(store, importRequest("app"), "old");
  const request = importRequest("app", { replace: true });
  const ingest = await store.beginIngest(request);
  expect(contentOf(old)).toBe("old");
  const next = await commitFake(ingest, request, "new");
  expect(contentOf(next)).toBe("new");
  expect(readdirSync(join(store.homePath, "snapshots"))).toEqual([next.snapshot.id]);
});

test("a replaced image whose snapshot has another name keeps its files", async () => {
  const store = await newStore();
  const old = await fakeImport(store, importRequest("app"), "old");
  const snapshotId = old.snapshot.id;
  await store.registerImage({
    ...PROJECT,
    name: "alias",
    snapshotId,
    public: false,
    replace: false,
  });
  await fakeImport(store, importRequest("app", { replace: true }), "new");
  const alias = await store.catalog.find("alias", PROJECT);
  expect(alias === undefined ? "" : contentOf(alias)).toBe("old");
});

test("an image registered over another takes the files of that one away", async () => {
  const store = await newStore();
  const one = await fakeImport(store, importRequest("one"));
  await fakeImport(store, importRequest("two"));
  const snapshotId = one.snapshot.id;
  await store.registerImage({ ...PROJECT, name: "two", snapshotId, public: false, replace: true });
  expect(readdirSync(join(store.homePath, "snapshots"))).toEqual([snapshotId]);
});

test("a removed image takes its files along, unless another name has them", async () => {
  const store = await newStore();
  const registered = await fakeImport(store, importRequest("app"));
  const snapshotId = registered.snapshot.id;
  const alias = await store.registerImage({
    ...PROJECT,
    name: "alias",
    snapshotId,
    public: false,
    replace: false,
  });
  expect(await store.removeImage("app", "default")).toEqual(registered);
  expect(contentOf(alias)).toBe("app");
  expect((await store.removeImage(alias.image.id, "default"))?.image.name).toBe("alias");
  expect(filesOf(store)).toEqual([]);
  expect(await store.removeImage("alias", "default")).toBeUndefined();
});

test("a commit that cannot finish undoes itself", async () => {
  const store = await newStore();
  const old = await fakeImport(store, importRequest("app"), "old");
  const before = filesOf(store);
  const request = importRequest("app", { replace: true });
  const ingest = await store.beginIngest(request);
  // No root filesystem was made.
  const commit = ingest.commit(
    { ...old.snapshot },
    { configBytes: Buffer.alloc(0), manifestBytes: Buffer.alloc(0) },
    request,
  );
  expect((await importErrorFrom(commit)).code).toBe("ERR_STORE_IO");
  expect(filesOf(store)).toEqual(before);
  expect(await store.catalog.find("app", PROJECT)).toEqual(old);
  await ingest.abort();
  await fakeImport(store, request, "new");
});

test("a root filesystem that its owner may not write moves to its place all the same", async () => {
  const store = await newStore();
  const request = importRequest("app");
  const ingest = await store.beginIngest(request);
  makeRootfs(ingest.rootfsPath, "x");
  chmodSync(ingest.rootfsPath, 0o555);
  const registered = await ingest.commit(
    { snapshotFormatVersion: "v", format: "dir", createdAt: "", toolVersion: "" },
    { configBytes: Buffer.alloc(0), manifestBytes: Buffer.alloc(0) },
    request,
  );
  const path = fileURLToPath(registered.snapshot.snapshotUri ?? "");
  expect(lstatSync(path).mode & 0o777).toBe(0o555);
});

test("with an output the root filesystem is there, and its record in the store", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "made", "on the way", "rootfs");
  const request = importRequest("app", { outputPath: output, fsync: false });
  const ingest = await store.beginIngest(request);
  expect(dirname(ingest.stagingPath)).toBe(dirname(output));
  expect(statSync(ingest.stagingPath).mode & 0o777).toBe(0o700);
  expect(existsSync(output)).toBe(false);
  const registered = await commitFake(ingest, request, "x");
  expect(fileURLToPath(registered.snapshot.snapshotUri ?? "")).toBe(output);
  expect(contentOf(registered)).toBe("x");
  expect(readdirSync(dirname(output))).toEqual(["rootfs"]);
  expect(readdirSync(join(store.homePath, "snapshots", ingest.snapshotId)).toSorted()).toEqual([
    "config.json",
    "image.json",
    "manifest.json",
    "snapshot.json",
  ]);
});

test("to remove an image leaves its output alone", async () => {
  const store = await newStore();
  const output = join(scratchDirectory(), "out");
  await fakeImport(store, importRequest("app", { outputPath: output }));
  await store.removeImage("app", "default");
  expect(filesOf(store)).toEqual([]);
  expect(readdirSync(output)).not.toEqual([]);
});

test("an output that is an empty directory is taken", async () => {
  const store = await newStore();
  const output = join(scratchDirectory(), "out");
  mkdirSync(output);
  const registered = await fakeImport(store, importRequest("app", { outputPath: `${output}/` }));
  expect(contentOf(registered)).toBe("app");
  expect(fileURLToPath(registered.snapshot.snapshotUri ?? "")).toBe(output);
});

test.each([
  [
    "a directory with something in it",
    (path: string) => mkdirSync(join(path, "x"), { recursive: true }),
    "exists already and is not empty",
  ],
  ["a file", (path: string) => writeFileSync(path, "kept"), "exists already"],
  [
    "a link to an empty directory",
    (path: string) => symlinkSync(scratchDirectory(), path),
    "is a symbolic link",
  ],
  ["a dangling link", (path: string) => symlinkSync("nowhere", path), "is a symbolic link"],
])("an output that is %s is refused, and left alone", async (_, make, why) => {
  const store = await newStore();
  const output = join(scratchDirectory(), "out");
  make(output);
  const before = lstatSync(output);
  const error = await importErrorFrom(
    store.beginIngest(importRequest("app", { outputPath: output })),
  );
  expect(error.code).toBe("ERR_OUTPUT_EXISTS");
  expect(error.message).toBe(`output ${output} ${why}`);
  expect(lstatSync(output)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  expect(readdirSync(dirname(output))).toEqual(["out"]);
  expect(filesOf(store)).toEqual([]);
});

test.each([
  ["relative", "out", "ERR_OPTION_INVALID"],
  ["inside the store", "HOME/snapshots/x", "ERR_OPTION_INVALID"],
  ["below a file", "/etc/passwd/x", "ERR_OUTPUT_IO"],
  ["the root directory", "/", "ERR_OUTPUT_EXISTS"],
])("an output that is %s is refused", async (_, path, code) => {
  const store = await newStore();
  const outputPath = path.replace("HOME", store.homePath);
  const error = await importErrorFrom(store.beginIngest(importRequest("app", { outputPath })));
  expect(error.code).toBe(code);
  expect(filesOf(store)).toEqual([]);
});

test("parents of an output that are links are resolved once", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  mkdirSync(join(scratch, "real"));
  symlinkSync("real", join(scratch, "link"));
  const outputPath = join(scratch, "link", "out");
  const registered = await fakeImport(store, importRequest("app", { outputPath }));
  expect(fileURLToPath(registered.snapshot.snapshotUri ?? "")).toBe(join(scratch, "real", "out"));
});

test("an aborted import takes its staging directory and the parents that it made away", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const request = importRequest("app", { outputPath: join(scratch, "a", "b", "out") });
  const ingest = await store.beginIngest(request);
  makeRootfs(ingest.rootfsPath, "x");
  await ingest.abort();
  expect(readdirSync(scratch)).toEqual([]);
});

test("parents that somebody else uses by now stay", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const request = importRequest("app", { outputPath: join(scratch, "a", "b", "out") });
  const ingest = await store.beginIngest(request);
  writeFileSync(join(scratch, "a", "theirs"), "");
  await ingest.abort();
  expect(readdirSync(join(scratch, "a"))).toEqual(["theirs"]);
});

test.each([
  ["a file", (path: string) => writeFileSync(path, "kept")],
  ["a link to a directory", (path: string) => symlinkSync(scratchDirectory(), path)],
  [
    "a directory with something in it",
    (path: string) => mkdirSync(join(path, "x"), { recursive: true }),
  ],
])("%s planted at the output during the import stays, and the import fails", async (_, plant) => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "out");
  const request = importRequest("app", { outputPath: output });
  const ingest = await store.beginIngest(request);
  plant(output);
  const before = lstatSync(output);
  const error = await importErrorFrom(commitFake(ingest, request, "x"));
  expect(error.code).toBe("ERR_OUTPUT_EXISTS");
  expect(lstatSync(output)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(filesOf(store)).toEqual([]);
});

test("an output that the catalog refuses in the end is taken back, with the empty directory before it", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "out");
  mkdirSync(output);
  chmodSync(output, 0o711);
  const request = importRequest("app", { outputPath: output });
  const ingest = await store.beginIngest(request);
  await fakeImport(store, importRequest("other"));
  // The name of the commit is not the one that was reserved, and taken.
  const error = await importErrorFrom(commitFake(ingest, importRequest("other"), "x"));
  expect(error.code).toBe("ERR_NAME_TAKEN");
  expect(readdirSync(scratch)).toEqual(["out"]);
  expect(readdirSync(output)).toEqual([]);
  expect(statSync(output).mode & 0o777).toBe(0o711);
  expect(await store.catalog.find(ingest.snapshotId, PROJECT)).toBeUndefined();
});

test("a staging directory that vanished is an error of the output", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const request = importRequest("app", { outputPath: join(scratch, "out") });
  const ingest = await store.beginIngest(request);
  makeRootfs(ingest.rootfsPath, "x");
  renameSync(ingest.stagingPath, join(scratch, "elsewhere"));
  const commit = ingest.commit(
    { snapshotFormatVersion: "v", format: "dir", createdAt: "", toolVersion: "" },
    { configBytes: Buffer.alloc(0), manifestBytes: Buffer.alloc(0) },
    request,
  );
  expect((await importErrorFrom(commit)).code).toBe("ERR_OUTPUT_IO");
  expect(filesOf(store)).toEqual([]);
});

test("a file as output replaces nothing", async () => {
  const store = await newStore();
  const scratch = scratchDirectory();
  const output = join(scratch, "disk.ext4");
  const request = importRequest("app", { outputPath: output, rootfsName: "rootfs.ext4" });
  const commitFile = async (plant: boolean): Promise<unknown> => {
    const ingest = await store.beginIngest(request);
    writeFileSync(ingest.rootfsPath, "image");
    if (plant) writeFileSync(output, "theirs");
    return ingest.commit(
      { snapshotFormatVersion: "v", format: "ext4", createdAt: "", toolVersion: "" },
      { configBytes: Buffer.alloc(0), manifestBytes: Buffer.alloc(0) },
      request,
    );
  };
  expect((await importErrorFrom(commitFile(true))).code).toBe("ERR_OUTPUT_EXISTS");
  expect(readFileSync(output, "utf8")).toBe("theirs");
  renameSync(output, join(scratch, "moved"));
  await commitFile(false);
  expect(readFileSync(output, "utf8")).toBe("image");
  expect(readdirSync(scratch).toSorted()).toEqual(["disk.ext4", "moved"]);
});
