import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  describeSandboxImage,
  exportSandboxImage,
  ImportError,
  importSandboxImage,
  type ExportSandboxImageOptions,
  type ImportEvent,
} from "../../src/index.ts";
import { extractTar } from "../support/extract-tar.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { readDirectory } from "../support/read-directory.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** A store that has the image `app`, as a directory, and a place beside it. */
interface Place {
  readonly home: string;
  readonly out: string;
  readonly rootfs: string;
}
let place: Place;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-export-"));
  const directory = work;
  const layer = await makeLayer([
    directoryEntry("etc"),
    fileEntry("etc/motd", "hello\n"),
    fileEntry("large", Buffer.alloc(5 << 20, "large")),
    symlinkEntry("link", "etc/motd"),
  ]);
  writeOciLayout(join(directory, "app"), "1", { layers: [layer] });
  const home = join(directory, "home");
  const reference = `oci:${join(directory, "app")}:1`;
  const { path } = await importSandboxImage(reference, { home, format: "dir" });
  place = { home, out: "", rootfs: path };
});
beforeEach(() => {
  place = { ...place, out: scratchDirectory() };
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

const exportApp = (options: Omit<ExportSandboxImageOptions, "home">) =>
  exportSandboxImage("app", { home: place.home, fsync: false, ...options });

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("an archive in a file has the tree, is private, and says what it is", async () => {
  const path = join(place.out, "app.tar");
  const { snapshotId } = await describeSandboxImage("app", { home: place.home });
  const result = await exportApp({ output: path });
  expect(result).toEqual({
    name: "app",
    snapshotId,
    format: "tar",
    path,
    sizeBytes: statSync(path).size,
    entries: 5,
    omissions: [],
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  extractTar(path, join(place.out, "extracted"));
  expect(readDirectory(join(place.out, "extracted"))).toEqual(readDirectory(place.rootfs));
  expect(readdirSync(place.out).toSorted()).toEqual(["app.tar", "extracted"]);
});

test("an archive down a stream is the same bytes, and the stream stays open", async () => {
  const path = join(place.out, "app.tar");
  await exportApp({ output: path });
  const stream = new PassThrough();
  const bytes = buffer(stream);
  const result = await exportApp({ output: stream });
  expect(stream.writableEnded).toBe(false);
  stream.end();
  expect(sha256(await bytes)).toBe(sha256(readFileSync(path)));
  expect(result.path).toBeUndefined();
});

test("a stream gets no more than it asks for", async () => {
  let received = 0;
  let most = 0;
  let waiting: (() => void) | undefined;
  const slow = new Writable({
    highWaterMark: 1,
    write: (chunk: Buffer, _encoding, done) => {
      received += chunk.length;
      waiting = done;
    },
  });
  const exporting = exportApp({ output: slow });
  for (let turns = 0; waiting !== undefined || turns < 1000; turns++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    most = Math.max(most, slow.writableLength);
    const next = waiting;
    waiting = undefined;
    next?.();
  }
  const { sizeBytes } = await exporting;
  expect(received).toBe(sizeBytes);
  expect(most).toBeLessThanOrEqual(2 << 20);
});

test("a directory is the tree of the snapshot", async () => {
  const path = join(place.out, "rootfs");
  const result = await exportApp({ output: path, format: "dir" });
  expect(result).toMatchObject({ format: "dir", path, entries: 5, omissions: [] });
  expect(readDirectory(path)).toEqual(readDirectory(place.rootfs));
  expect(readdirSync(place.out)).toEqual(["rootfs"]);
});

test("an empty directory is filled; what is there otherwise is not overwritten", async () => {
  mkdirSync(join(place.out, "empty"));
  await exportApp({ output: join(place.out, "empty"), format: "dir" });
  expect(readDirectory(join(place.out, "empty"))).toEqual(readDirectory(place.rootfs));

  writeFileSync(join(place.out, "file"), "mine");
  symlinkSync("file", join(place.out, "symlink"));
  const before = readdirSync(place.out);
  const refused: [string, Partial<ExportSandboxImageOptions>, string][] = [
    ["file", {}, "Overwrite it with --replace, or name another."],
    ["symlink", { replace: true }, "Name another."],
    ["empty", { replace: true }, "Name another."],
    ["empty", { format: "dir" }, "Name another place, or clear this one first."],
    ["file", { format: "dir" }, "Name another place, or clear this one first."],
  ];
  for (const [name, options, hint] of refused) {
    const error = await importErrorFrom(exportApp({ output: join(place.out, name), ...options }));
    expect([error.code, error.hint]).toEqual(["ERR_OUTPUT_EXISTS", hint]);
  }
  expect(readFileSync(join(place.out, "file"), "utf8")).toBe("mine");
  expect(readdirSync(place.out)).toEqual(before);
});

test("replace overwrites an archive, and keeps the old one when the export fails", async () => {
  const path = join(place.out, "app.tar");
  writeFileSync(path, "old");
  const controller = new AbortController();
  const stopped = exportApp({
    output: path,
    replace: true,
    signal: controller.signal,
    onEvent: () => controller.abort(),
  });
  expect((await importErrorFrom(stopped)).code).toBe("ERR_CANCELLED");
  expect(readFileSync(path, "utf8")).toBe("old");
  await exportApp({ output: path, replace: true });
  expect(statSync(path).size).toBeGreaterThan(5 << 20);
  expect(readdirSync(place.out)).toEqual(["app.tar"]);
});

test.each(["tar", "dir"] as const)("a cancelled export to %s leaves nothing", async (format) => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  const output = join(place.out, "new", "deep", "app");
  const outcome = await exportApp({ output, format, signal: controller.signal }).catch(
    (error: unknown) => error,
  );
  // However fast it was: all is there, or nothing.
  const cancelled = outcome instanceof ImportError && outcome.code === "ERR_CANCELLED";
  expect(readdirSync(place.out)).toEqual(cancelled ? [] : ["new"]);
  expect(existsSync(output)).toBe(!cancelled);
});

test("an export that is cancelled from the start leaves nothing", async () => {
  for (const format of ["tar", "dir"] as const) {
    const output = join(place.out, "app");
    const error = await importErrorFrom(exportApp({ output, format, signal: AbortSignal.abort() }));
    expect(error.code).toBe("ERR_CANCELLED");
  }
  const stream = new PassThrough();
  const error = await importErrorFrom(exportApp({ output: stream, signal: AbortSignal.abort() }));
  expect(error.code).toBe("ERR_CANCELLED");
  expect(readdirSync(place.out)).toEqual([]);
});

test("a snapshot that cannot be read leaves nothing, and the error says where it was", async () => {
  renameSync(place.rootfs, `${place.rootfs}.away`);
  for (const format of ["tar", "dir"] as const) {
    const error = await importErrorFrom(exportApp({ output: join(place.out, "new", "x"), format }));
    expect(error.code).toBe("ERR_STORE_IO");
    expect(error.message).toContain(place.rootfs);
  }
  renameSync(`${place.rootfs}.away`, place.rootfs);
  expect(readdirSync(place.out)).toEqual([]);
});

test("a stream that fails, and one whose reader goes away, end the export", async () => {
  const full = new Writable({
    write: (_chunk, _encoding, done) => done(new Error("no room")),
  });
  const failed = await importErrorFrom(exportApp({ output: full }));
  expect(failed).toMatchObject({
    code: "ERR_OUTPUT_IO",
    message: "the archive is incomplete: the stream failed: no room",
  });
  const gone = new Writable({ write: (_chunk, _encoding, done) => done() });
  gone.destroy();
  const lost = await importErrorFrom(exportApp({ output: gone }));
  expect(lost.message).toMatch(/whoever read it went away/);
});

test("what cannot be exported is listed, and told in a warning", async () => {
  const server = createServer().listen(join(place.rootfs, "etc", "sock"));
  await new Promise((resolve) => {
    server.once("listening", resolve);
  });
  const events: ImportEvent[] = [];
  const { omissions } = await exportApp({
    output: join(place.out, "app.tar"),
    onEvent: (event) => events.push(event),
  });
  await new Promise((resolve) => {
    server.close(resolve);
  });
  expect(existsSync(join(place.rootfs, "etc", "sock"))).toBe(false);
  expect(omissions).toEqual(["etc/sock: socket left out"]);
  const sizeBytes = statSync(join(place.out, "app.tar")).size;
  expect(events).toEqual([
    { type: "status", message: "Exporting image 'app' (dir)..." },
    { type: "warning", code: "omissions", message: "Not exported: etc/sock: socket left out" },
    {
      type: "status",
      message: `Image 'app' exported to ${join(place.out, "app.tar")} (5 entries, ${sizeBytes} bytes)`,
    },
    { type: "done" },
  ]);
});

test("options that contradict, and images that are not there, are refused", async () => {
  const output = join(place.out, "x");
  const refusals: [() => Promise<unknown>, string][] = [
    [() => exportSandboxImage("none", { home: place.home, output }), "ERR_NOT_FOUND"],
    [() => exportApp({ output: "" }), "ERR_OPTION_INVALID"],
    [() => exportApp({ output: new PassThrough(), format: "dir" }), "ERR_OPTION_INVALID"],
    [() => exportApp({ output, format: "dir", replace: true }), "ERR_OPTION_INVALID"],
    [() => exportApp({ output: join(place.home, "x") }), "ERR_OPTION_INVALID"],
    [() => exportApp({ output: `${output}\0` }), "ERR_OPTION_INVALID"],
    [() => exportApp({ output: join(work, "app", "oci-layout", "x") }), "ERR_OUTPUT_IO"],
  ];
  for (const [refused, code] of refusals) {
    expect((await importErrorFrom(refused())).code).toBe(code);
  }
  expect(readdirSync(place.out)).toEqual([]);
});

test("what a listener throws is thrown after the export", async () => {
  const path = join(place.out, "app.tar");
  const exporting = exportApp({
    output: path,
    onEvent: () => {
      throw new Error("mine");
    },
  });
  await expect(exporting).rejects.toThrow("mine");
  expect(existsSync(path)).toBe(true);
});
