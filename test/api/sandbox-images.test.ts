import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  deleteSandboxImage,
  describeSandboxImage,
  findSandboxImageByName,
  importSandboxImage,
  importSandboxImageEvents,
  listSandboxImages,
  planSandboxImageImport,
  registerSandboxImage,
  VERSION,
  type ImportEvent,
} from "../../src/index.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";

let image: TestImage;

beforeAll(async () => {
  image = { layers: [await makeLayer([fileEntry("etc/motd", "hello\n")])] };
});

/** A layout to import from and a store to import into, for one test. */
function place(): { readonly reference: string; readonly options: { readonly home: string } } {
  const directory = scratchDirectory();
  writeOciLayout(join(directory, "app"), "1", image);
  return {
    reference: `oci:${join(directory, "app")}:1`,
    options: { home: join(directory, "home") },
  };
}

test("the version is that of package.json", () => {
  const manifest: unknown = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
  );
  expect(manifest).toMatchObject({ version: VERSION });
});

test("an import tells its steps in order, and ends with image_registered and done", async () => {
  const { reference, options } = place();
  const events: ImportEvent[] = [];
  const record = await importSandboxImage(reference, options, {
    emit: (event) => events.push(event),
  });
  const statuses = events.flatMap((event) => (event.type === "status" ? [event.message] : []));
  expect(statuses.slice(0, 2)).toEqual([
    `Importing registry image ${reference}...`,
    "Selected image name: app",
  ]);
  expect(statuses.slice(-2)).toEqual([
    "Completing image registration...",
    `Image 'app' registered (${record.id})`,
  ]);
  expect(events.slice(-2)).toEqual([
    { type: "image_registered", name: "app", image_id: record.id },
    { type: "done" },
  ]);
  const order = events
    .map(({ type }) => type)
    .filter((type) => !["status", "warning"].includes(type));
  expect(order.filter((type, index) => type !== order[index - 1])).toEqual([
    "resolved",
    "phase",
    "layer_progress",
    "phase",
    "image_registered",
    "done",
  ]);
});

test("the store's functions find, name, list and delete what was imported", async () => {
  const { reference, options } = place();
  expect(await listSandboxImages(options)).toEqual([]);
  expect(await findSandboxImageByName("app", options)).toBeNull();
  const record = await importSandboxImage(reference, { ...options, isPublic: true });
  expect(record).toMatchObject({
    name: "app",
    public: true,
    rootfsNodeKind: "base",
    format: "ext4",
  });
  expect(await findSandboxImageByName("app", options)).toEqual(record);
  expect(await describeSandboxImage(record.id, options)).toEqual(record);
  expect(await findSandboxImageByName("app", { ...options, project: "other" })).toEqual(record);
  const second = await registerSandboxImage("again", record.snapshotId, {
    ...options,
    dockerfile: "FROM app\n",
  });
  expect(second).toMatchObject({ snapshotId: record.snapshotId, dockerfile: "FROM app\n" });
  expect((await listSandboxImages(options)).map(({ name }) => name)).toEqual(["again", "app"]);
  expect(await deleteSandboxImage("app", options)).toEqual({ name: "app" });
  expect(await deleteSandboxImage("again", options)).toEqual({ name: "again" });
  await expect(describeSandboxImage("app", options)).rejects.toMatchObject({
    code: "ERR_NOT_FOUND",
    message: "image 'app' not found",
  });
  await expect(registerSandboxImage("x", "snap_unknown", options)).rejects.toMatchObject({
    code: "ERR_NOT_FOUND",
  });
});

test("events come as an async iterable too, which returns the record", async () => {
  const { reference, options } = place();
  const events = importSandboxImageEvents(reference, options);
  const types: string[] = [];
  let step = await events.next();
  for (; step.done !== true; step = await events.next()) types.push(step.value.type);
  expect(types.at(-1)).toBe("done");
  expect(step.value).toMatchObject({ name: "app" });
});

test("leaving the loop over the events cancels the import, and nothing is left", async () => {
  const { reference, options } = place();
  for await (const { type } of importSandboxImageEvents(reference, options)) {
    if (type === "resolved") break;
  }
  expect(await listSandboxImages(options)).toEqual([]);
  expect(storeListing(options.home)).toEqual({ snapshots: [], ingests: [], other: [] });
});

test("an aborted signal ends the import with ERR_CANCELLED, and nothing is left", async () => {
  const { reference, options } = place();
  const abort = new AbortController();
  const imported = importSandboxImage(reference, {
    ...options,
    signal: abort.signal,
    onEvent: ({ type }) => {
      if (type === "phase") abort.abort();
    },
  });
  await expect(imported).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  expect(storeListing(options.home)).toEqual({ snapshots: [], ingests: [], other: [] });
});

test("a plan writes nothing, and warns as the import would", async () => {
  const { reference, options } = place();
  const warnings: string[] = [];
  const plan = await planSandboxImageImport(reference, {
    ...options,
    dockerCompat: true,
    platform: "linux/amd64",
    onEvent: (event) => {
      if (event.type === "warning") warnings.push(event.code);
    },
  });
  expect(plan).toMatchObject({ dryRun: true, name: "app", reference, platform: "linux/amd64" });
  expect(warnings).toEqual(["docker_compat"]);
  expect(storeListing(options.home)).toEqual({ snapshots: [], ingests: [], other: [] });
});

test("a plan without a wanted platform warns about an image for another machine", async () => {
  const directory = scratchDirectory();
  const platform = { os: "linux", architecture: "s390x" };
  writeOciLayout(join(directory, "app"), "1", { ...image, platform });
  const codes: string[] = [];
  await planSandboxImageImport(`oci:${join(directory, "app")}:1`, {
    home: join(directory, "home"),
    onEvent: (event) => codes.push(event.type === "warning" ? event.code : event.type),
  });
  expect(codes).toEqual(["platform_mismatch"]);
});

test("what a listener throws does not stop the import, and is thrown after it", async () => {
  const { reference, options } = place();
  const imported = importSandboxImage(reference, {
    ...options,
    onEvent: () => {
      throw new Error("the listener is broken");
    },
  });
  await expect(imported).rejects.toThrow("the listener is broken");
  expect((await listSandboxImages(options)).map(({ name }) => name)).toEqual(["app"]);
});

test("layers that unpack to more than --builder_disk_mb are refused", async () => {
  const directory = scratchDirectory();
  const layers = [await makeLayer([fileEntry("zeros", Buffer.alloc(3 * 2 ** 20))])];
  writeOciLayout(join(directory, "app"), "1", { layers });
  const imported = importSandboxImage(`oci:${join(directory, "app")}:1`, {
    home: join(directory, "home"),
    builderDiskMb: 1,
  });
  await expect(imported).rejects.toMatchObject({ code: "ERR_DISK_FULL" });
});

test.each<readonly [Partial<Record<string, unknown>>, string]>([
  [{ cpus: 0 }, "ERR_OPTION_INVALID"],
  [{ cpus: Number.NaN }, "ERR_OPTION_INVALID"],
  [{ memoryMb: 64 }, "ERR_OPTION_INVALID"],
  [{ diskMb: -1 }, "ERR_OPTION_INVALID"],
  [{ diskMb: 1.5 }, "ERR_OPTION_INVALID"],
  [{ diskMb: 16 * 2 ** 20 + 1 }, "ERR_OPTION_INVALID"],
  [{ format: "zip" }, "ERR_OPTION_INVALID"],
  [{ env: { SOURCE_DATE_EPOCH: "yesterday" } }, "ERR_OPTION_INVALID"],
  [{ env: { SOURCE_DATE_EPOCH: "99999999999" } }, "ERR_OPTION_INVALID"],
  [{ concurrency: 0 }, "ERR_OPTION_INVALID"],
  [{ limits: { entries: 0 } }, "ERR_OPTION_INVALID"],
  [{ limits: { nonsense: 1 } }, "ERR_OPTION_INVALID"],
  [{ output: "" }, "ERR_OPTION_INVALID"],
  [{ output: 5 }, "ERR_OPTION_INVALID"],
  [{ registeredName: 5 }, "ERR_OPTION_INVALID"],
  [{ platform: null }, "ERR_OPTION_INVALID"],
  [{ registeredName: " " }, "ERR_NAME_INVALID"],
  [{ platform: "a/b/c/d" }, "ERR_CONFIG_INVALID"],
])("the option %j is refused before anything happens", async (option, code) => {
  const { reference, options } = place();
  await expect(importSandboxImage(reference, { ...options, ...option })).rejects.toMatchObject({
    code,
  });
});

test("an empty reference is refused with the words that users know", async () => {
  await expect(importSandboxImage("  ", { home: scratchDirectory() })).rejects.toMatchObject({
    message: "image reference to import must not be empty",
  });
});

test.each([5, null, undefined])("%s, which is no name, is refused in words", async (value) => {
  const name: string = JSON.parse(JSON.stringify({ value })).value;
  const options = { home: scratchDirectory() };
  for (const call of [
    importSandboxImage,
    planSandboxImageImport,
    findSandboxImageByName,
    describeSandboxImage,
    deleteSandboxImage,
  ]) {
    const error = await importErrorFrom(call(name, options));
    expect(error.code).toBe("ERR_OPTION_INVALID");
    expect(error.message).toMatch(/must be a string/);
  }
  const error = await importErrorFrom(registerSandboxImage("app", name, options));
  expect(error.message).toMatch(/^snapshotId must be a string/);
});

test("a name in an error holds no control characters", async () => {
  const error = await importErrorFrom(
    describeSandboxImage("a\u001b[31m", { home: scratchDirectory() }),
  );
  expect(error.message).toBe(String.raw`image 'a\x1b[31m' not found`);
});

test("the caller's own reason for cancelling is the cause", async () => {
  const { reference, options } = place();
  const reason = new Error("the user went home");
  const given = AbortSignal.abort(reason);
  const error = await importErrorFrom(importSandboxImage(reference, { ...options, signal: given }));
  expect(error).toMatchObject({ code: "ERR_CANCELLED", cause: reason });
  const plain = AbortSignal.abort();
  const other = await importErrorFrom(importSandboxImage(reference, { ...options, signal: plain }));
  expect(other.cause).toBeUndefined();
});
