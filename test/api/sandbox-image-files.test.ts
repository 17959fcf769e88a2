import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  describeSandboxImage,
  importSandboxImage,
  listSandboxImageFiles,
  readSandboxImageFile,
  statSandboxImageFile,
  verifySandboxImage,
  type ListSandboxImageFilesOptions,
  type SandboxImageFile,
} from "../../src/index.ts";
import { overwrite } from "../support/damaged-image.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";

const FORMATS = ["ext4", "erofs", "dir", "tar"] as const;
const LARGE = Buffer.alloc(3_000_000, "large file ");

let work: string;
let home: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-files-"));
  home = join(work, "home");
  const layer = await makeLayer([
    directoryEntry("etc", 0o750),
    { ...fileEntry("etc/passwd", "root:x:0:0\n", 0o4755), uid: 12, gid: 34 },
    directoryEntry("usr/bin"),
    symlinkEntry("bin", "usr/bin"),
    symlinkEntry("out", "../../../../etc/passwd"),
    symlinkEntry("loop", "loop"),
    fileEntry("usr/bin/large", LARGE),
    fileEntry("usr/bin/empty", ""),
    { name: "again", type: "link", linkname: "usr/bin/large" },
    { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    { name: "pipe", type: "fifo" },
    fileEntry("tab\tand\u001B[31mred", "x"),
  ]);
  writeOciLayout(join(work, "app"), "1", { layers: [layer] });
  for (const format of FORMATS) {
    await importSandboxImage(`oci:${join(work, "app")}:1`, {
      home,
      format,
      registeredName: format,
      diskMb: 64,
      fsync: false,
    });
  }
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

async function list(
  image: string,
  path?: string,
  options: ListSandboxImageFilesOptions = {},
): Promise<readonly SandboxImageFile[]> {
  const files: SandboxImageFile[] = [];
  for await (const file of listSandboxImageFiles(image, path, { home, ...options }))
    files.push(file);
  return files;
}

async function read(image: string, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readSandboxImageFile(image, path, { home })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test.each(FORMATS)("%s: a directory is listed in byte order, links as links", async (format) => {
  const files = (await list(format)).filter(({ path }) => path !== "/lost+found");
  expect(files.map(({ path, type, linkTarget }) => [path, type, linkTarget])).toEqual([
    ["/again", "file", undefined],
    ["/bin", "symlink", "usr/bin"],
    ["/etc", "directory", undefined],
    ["/loop", "symlink", "loop"],
    ["/null", "character-device", undefined],
    ["/out", "symlink", "../../../../etc/passwd"],
    ["/pipe", "fifo", undefined],
    ["/tab\tand\u001B[31mred", "file", undefined],
    ["/usr", "directory", undefined],
  ]);
  expect(files.find(({ path }) => path === "/null")).toMatchObject({
    deviceMajor: 1,
    deviceMinor: 3,
  });
});

test.each(FORMATS)("%s: one file with all that is known of it", async (format) => {
  expect(await statSandboxImageFile(format, "/etc/passwd", { home })).toEqual({
    path: "/etc/passwd",
    type: "file",
    mode: 0o4755,
    uid: 12,
    gid: 34,
    sizeBytes: 11,
    links: 1,
    mtime: "2026-01-01T00:00:00Z",
  });
  expect(await statSandboxImageFile(format, "/", { home })).toMatchObject({
    path: "/",
    type: "directory",
    sizeBytes: 0,
  });
});

test("every format shows the same files", async () => {
  const [ext4, erofs, dir, tar] = await Promise.all(
    FORMATS.map(async (format) =>
      (await list(format, "/", { recursive: true })).filter(({ path }) => path !== "/lost+found"),
    ),
  );
  expect(ext4?.length).toBe(13);
  expect(erofs).toEqual(ext4);
  expect(dir).toEqual(ext4);
  expect(tar).toEqual(ext4);
});

test.each(FORMATS)("%s: links are followed inside the image, never out of it", async (format) => {
  expect((await list(format, "bin")).map(({ path }) => path)).toEqual([
    "/usr/bin/empty",
    "/usr/bin/large",
  ]);
  expect((await read(format, "/out")).toString()).toBe("root:x:0:0\n");
  expect((await read(format, "/bin/../../usr/./bin/large")).equals(LARGE)).toBe(true);
  expect((await read(format, "/bin/empty")).length).toBe(0);
  expect((await importErrorFrom(list(format, "/loop/x"))).code).toBe("ERR_LINK_LOOP");
});

test.each(FORMATS)("%s: what cannot be read is said", async (format) => {
  const codeOf = async (path: string): Promise<string> =>
    (await importErrorFrom(read(format, path))).code;
  expect(await codeOf("/no")).toBe("ERR_NOT_FOUND");
  expect(await codeOf("/etc/passwd/x")).toBe("ERR_NOT_A_DIRECTORY");
  expect(await codeOf("/etc")).toBe("ERR_OPTION_INVALID");
  expect(await codeOf("/null")).toBe("ERR_OPTION_INVALID");
  expect(await codeOf("/pipe")).toBe("ERR_OPTION_INVALID");
  expect((await importErrorFrom(read("missing", "/"))).message).toBe("image 'missing' not found");
});

test.each(FORMATS)("%s: leaving early closes the image", async (format) => {
  const before = readdirSync("/proc/self/fd").length;
  for await (const _ of listSandboxImageFiles(format, "/", { home, recursive: true })) break;
  for await (const _ of readSandboxImageFile(format, "/bin/large", { home })) break;
  await importErrorFrom(read(format, "/no"));
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a directory that is changed behind our back leads nowhere else", async () => {
  const { path } = await describeSandboxImage("dir", { home });
  const outside = join(work, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "secret");
  symlinkSync(outside, join(path, "absolute"));
  try {
    expect((await importErrorFrom(list("dir", "/absolute/"))).code).toBe("ERR_NOT_FOUND");
    expect((await importErrorFrom(read("dir", "/absolute/secret"))).code).toBe("ERR_NOT_FOUND");
  } finally {
    unlinkSync(join(path, "absolute"));
  }
});

test("verify compares every byte, and the structure of a disk image", async () => {
  const ext4 = await verifySandboxImage("ext4", { home });
  expect(ext4).toMatchObject({
    name: "ext4",
    format: "ext4",
    sound: true,
    damage: [],
    blocks: 16_384,
  });
  expect(ext4.checkedBytes).toBeGreaterThan(LARGE.length);
  const erofs = await verifySandboxImage("erofs", { home });
  expect(erofs).toMatchObject({ name: "erofs", format: "erofs", sound: true, damage: [] });
  expect(erofs.inodes).toBe(13);
  expect(erofs.checkedBytes).toBeGreaterThan(LARGE.length);
  const { snapshotId } = await describeSandboxImage("tar", { home });
  const tar = await verifySandboxImage(snapshotId, { home });
  expect(tar).toMatchObject({
    name: "tar",
    snapshotId,
    format: "tar",
    sound: true,
    damageCount: 0,
  });
  const error = await importErrorFrom(verifySandboxImage("dir", { home }));
  expect(error.code).toBe("ERR_SNAPSHOT_UNSUPPORTED");
});

/** Changes one byte where the large file has this text; the result puts it back. */
function flip(path: string, text: string): () => void {
  const at = readFileSync(path).indexOf(text);
  expect(at).toBeGreaterThan(0);
  return overwrite(path, at, Buffer.from("#"));
}

test.each(["ext4", "erofs"])(
  "%s: a flipped byte of a file is reported with the file",
  async (format) => {
    const { path } = await describeSandboxImage(format, { home });
    const undo = flip(path, "large file large file");
    const { damage, sound } = await verifySandboxImage(format, { home });
    undo();
    expect(sound).toBe(false);
    expect(damage).toEqual([
      {
        what: "data",
        inode: expect.any(Number),
        path: expect.stringMatching(/^\/(again|usr\/bin\/large)$/),
        block: expect.any(Number),
        problem: expect.stringMatching(
          /^the bytes of blocks? \d+( to \d+)? are not what was imported/,
        ),
      },
    ]);
  },
);

test("a flipped byte of an archive is reported with its blocks", async () => {
  const archive = (await describeSandboxImage("tar", { home })).path;
  const undo = flip(archive, "large file large file");
  const report = await verifySandboxImage("tar", { home });
  undo();
  expect(report).toMatchObject({ sound: false, damageCount: 1, damage: [{ what: "data" }] });
  expect((await verifySandboxImage("tar", { home })).sound).toBe(true);
});

test("a record that is gone or damaged is reported; the structure is checked all the same", async () => {
  const { snapshotId } = await describeSandboxImage("ext4", { home });
  const path = join(home, "snapshots", snapshotId, "checksums");
  const bytes = readFileSync(path);
  const problems = async (): Promise<readonly string[]> =>
    (await verifySandboxImage("ext4", { home })).damage.map(({ problem }) => problem);
  execFileSync("chmod", ["u+w", path]);
  writeFileSync(path, bytes.fill(1, 30, 31));
  expect(await problems()).toEqual(["the checksums that the import recorded are damaged"]);
  rmSync(path);
  expect(await problems()).toEqual(["the checksums that the import recorded are missing"]);
});
