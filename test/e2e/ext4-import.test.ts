import { createCipheriv, createHash } from "node:crypto";
import {
  chownSync,
  createReadStream,
  existsSync,
  lstatSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  readSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestText } from "../support/digest-text.ts";
import { checkImage } from "../support/ext4-check.ts";
import { withMounted } from "../support/loop-mount.ts";
import { directoryEntry, fileEntry, makeLayer } from "../support/make-layer.ts";
import { startProcess } from "../support/running-process.ts";
import { runTl, startTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

const COMMAND = resolve(import.meta.dirname, "../../bin/tl.js");
const MIB = 2 ** 20;
const NOBODY = 65_534;
/** `s_magic` (ext4.h). */
const MAGIC = { offset: 1024 + 0x38, value: 0xef53 };
const SECRET = "what the layer above deletes again";

let registry: TestRegistry;
let layers: readonly TestLayer[];
let reference: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  layers = [
    await makeLayer([
      directoryEntry("etc"),
      fileEntry("etc/base", noise(3 * MIB, "base")),
      fileEntry("etc/secret", `${SECRET}${noise(9000, "secret").toString("hex")}`),
      { ...fileEntry("etc/owned", "owned"), uid: 1234, gid: 123_456, mode: 0o4755 },
      { name: "dev/null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    ]),
    await makeLayer(
      [fileEntry("large", noise(9 * MIB, "large")), fileEntry("etc/.wh.secret", "")],
      "zstd",
    ),
    await makeLayer([fileEntry("small", "small\n"), fileEntry("other", noise(2 * MIB, "other"))]),
  ];
  await registry.addImage("team/app", "1", { layers });
  reference = `${registry.host}/team/app:1`;
});
afterAll(() => registry.close());

/** Bytes that do not compress. */
function noise(bytes: number, seed: string): Buffer {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  return cipher.update(Buffer.alloc(bytes));
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Imports into a file of its own. @returns its path */
async function imported(...options: readonly string[]): Promise<string> {
  const output = join(scratchDirectory(), "disk.ext4");
  const args = ["import", reference, "--output", output, "--disk_mb", "200", ...options];
  const run = await runTl(args, { home: scratchDirectory() });
  expect(run).toMatchObject({ exitCode: 0, stdout: "" });
  return output;
}

function magicOf(imagePath: string): number {
  const bytes = Buffer.alloc(2);
  const fd = openSync(imagePath, "r");
  readSync(fd, bytes, 0, bytes.length, MAGIC.offset);
  closeSync(fd);
  return bytes.readUInt16LE();
}

test("an import makes a disk image that e2fsck likes, with checksums beside it in the store", async () => {
  const home = scratchDirectory();
  const run = await runTl(["import", reference, "--json"], { home });
  expect(run.exitCode).toBe(0);
  const record: Record<string, unknown> = JSON.parse(run.stdout);
  expect(record).toMatchObject({
    format: "ext4",
    snapshotFormatVersion: "rootlift_ext4_v1",
    rootfsDiskBytes: 10_240 * MIB,
  });
  const imagePath = String(record["path"]);
  expect(imagePath.endsWith("/rootfs.ext4")).toBe(true);
  expect(readdirSync(join(imagePath, ".."))).toContain("checksums");
  const { size, blocks, mode } = lstatSync(imagePath);
  expect(size).toBe(10_240 * MIB);
  expect(blocks * 512).toBeLessThan(30 * MIB);
  expect(mode & 0o777).toBe(0o600);
  await checkImage(imagePath);
  await withMounted(imagePath, "read-only", (rootPath) => {
    expect(readFileSync(join(rootPath, "large")).equals(noise(9 * MIB, "large"))).toBe(true);
    expect(readdirSync(join(rootPath, "etc"))).toEqual(["base", "owned"]);
  });
});

test("the same image is the same file, with one worker or two, layer by layer or all at once, and after a bad download", async () => {
  const paths = [
    await imported("--cpus", "1"),
    await imported("--cpus", "2"),
    await imported("--concurrency", "1", "--no-fsync"),
  ];
  const digest = digestText(layers[1]?.bytes ?? Buffer.alloc(0));
  registry.faults.add({ on: "blob", digest, kind: "flip", atByte: 4 * MIB, times: 1 });
  paths.push(await imported());
  registry.faults.clear();
  const sums = await Promise.all(paths.map(sha256OfFile));
  expect(new Set(sums).size).toBe(1);
  expect(readFileSync(paths[0] ?? "").includes(SECRET)).toBe(false);
});

test("an ordinary user imports in his home, and the files have their right owners", async () => {
  const home = scratchDirectory();
  const command = [process.execPath, COMMAND, "sbx", "image", "import", reference, "--json"];
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(home, NOBODY, NOBODY);
  const become = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const [program = "", ...args] = isRoot ? [...become, ...command] : command;
  const run = await startProcess(program, args, { HOME: home, ROOTLIFT_HOME: home }).ended;
  expect(run).toMatchObject({ exitCode: 0 });
  const imagePath = String(JSON.parse(run.stdout).path);
  await checkImage(imagePath);
  await withMounted(imagePath, "read-only", (rootPath) => {
    const owned = lstatSync(join(rootPath, "etc/owned"));
    expect(owned).toMatchObject({ uid: 1234, gid: 123_456, mode: 0o104_755 });
    expect(lstatSync(join(rootPath, "small"))).toMatchObject({ uid: 0, gid: 0 });
    expect(lstatSync(join(rootPath, "dev/null")).rdev).toBe(0x103);
  });
});

test("a disk that is too small is refused with the size that is enough, and nothing is left behind", async () => {
  const home = scratchDirectory();
  const place = scratchDirectory();
  const output = join(place, "disk.ext4");
  const importing = (diskMb: number) =>
    runTl(["import", reference, "--output", output, "--disk_mb", `${diskMb}`, "--json"], { home });
  const { details } = await refused(await importing(15));
  const neededMib = Number(details["neededMib"]);
  expect(await refused(await importing(2))).toMatchObject({ code: "ERR_DISK_TOO_SMALL" });
  expect(readdirSync(place)).toEqual([]);
  expect(storeListing(home)).toEqual({ snapshots: [], ingests: [], other: [] });
  expect(await refused(await importing(neededMib - 1))).toMatchObject({ details: { neededMib } });
  expect(await importing(neededMib)).toMatchObject({ exitCode: 0 });
  await checkImage(output);
});

async function refused({ exitCode, stderr }: { exitCode: number | null; stderr: string }) {
  expect(exitCode).toBe(1);
  const last: { error: { code: string; details: Record<string, unknown> } } = JSON.parse(
    stderr.trimEnd().split("\n").at(-1) ?? "",
  );
  return last.error;
}

test("an --output that exists is refused, whatever it is", async () => {
  const place = scratchDirectory();
  for (const args of [
    ["--output", place],
    ["--replace", "--output", COMMAND],
  ]) {
    const run = await runTl(["import", reference, ...args], { home: scratchDirectory() });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain("ERR_OUTPUT_EXISTS");
    expect(run.stderr).not.toContain("Overwrite it");
  }
});

test("after SIGKILL in mid-pull the file is no file system, and the next import removes it", async () => {
  const slow = await startTestRegistry({ bytesPerSecond: 2_000_000 });
  try {
    await slow.addImage("team/app", "1", { layers });
    const home = scratchDirectory();
    const running = startTl(["import", `${slow.host}/team/app:1`], { home });
    const image = await growingImage(home);
    running.kill("SIGKILL");
    expect((await running.ended).signal).toBe("SIGKILL");
    expect(lstatSync(image).blocks).toBeGreaterThan(0);
    expect(magicOf(image)).toBe(0);
    expect(await runTl(["import", reference], { home })).toMatchObject({ exitCode: 0 });
    expect(existsSync(image)).toBe(false);
    const { snapshots, ingests } = storeListing(home);
    expect(ingests).toEqual([]);
    expect(magicOf(join(home, "snapshots", snapshots[0] ?? "", "rootfs.ext4"))).toBe(MAGIC.value);
  } finally {
    await slow.close();
  }
});

/** The image file of an import under way, as soon as bodies are in it. */
async function growingImage(home: string): Promise<string> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const found = storeListing(home)
      .ingests.filter((name) => !name.endsWith(".lock"))
      .map((ingest) => join(home, "ingest", ingest, "staging", "rootfs.ext4"))
      .find((path) => (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) > 0);
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error("no image grew");
}
