import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { digestOf } from "../../src/oci/verify-bytes.ts";
import { BlobCache, type BlobCacheOptions } from "../../src/store/blob-cache.ts";
import { cachedBlobs, removeStaleIncoming } from "../../src/store/blob-files.ts";
import { scratchDirectory } from "../support/scratch.ts";

const MIB = 1 << 20;

interface TestCache {
  readonly cache: BlobCache;
  readonly homePath: string;
  readonly warnings: readonly string[];
}

function newCache(options: Partial<BlobCacheOptions> = {}): TestCache {
  const warnings: string[] = [];
  const homePath = options.homePath ?? scratchDirectory();
  const onWarning = (message: string): void => {
    warnings.push(message);
  };
  const cache = new BlobCache({ homePath, limitBytes: 100 * MIB, onWarning, ...options });
  onTestFinished(() => cache.close());
  return { cache, homePath, warnings };
}

function blobOf(text: string, length = 1000): Buffer {
  return Buffer.alloc(length, text);
}

async function put(cache: BlobCache, bytes: Buffer): Promise<void> {
  const writer = await cache.write(digestOf(bytes), bytes.length);
  await writer?.write(bytes.subarray(0, 10));
  await writer?.write(bytes.subarray(10));
  await writer?.commit();
}

async function get(cache: BlobCache, bytes: Buffer): Promise<Buffer | undefined> {
  const blob = await cache.read(digestOf(bytes), bytes.length);
  if (blob === undefined) return undefined;
  const target = Buffer.alloc(bytes.length + 10);
  const received = await blob.read(target);
  blob.close();
  return target.subarray(0, received);
}

function pathOf(homePath: string, bytes: Buffer): string {
  return join(homePath, "blobs", "sha256", digestOf(bytes).hex);
}

function incoming(homePath: string): readonly string[] {
  return readdirSync(join(homePath, "blobs", "incoming"));
}

test("what one import has put in, another one reads", async () => {
  const { cache, homePath } = newCache();
  const bytes = blobOf("layer");
  expect(await get(cache, bytes)).toBeUndefined();
  await put(cache, bytes);
  await cache.close();
  expect(incoming(homePath)).toEqual([]);
  expect(statSync(pathOf(homePath, bytes)).mode & 0o777).toBe(0o600);
  expect((await get(newCache({ homePath }).cache, bytes))?.equals(bytes)).toBe(true);
});

test("a blob is there when it was committed whole, and not before", async () => {
  const { cache, homePath, warnings } = newCache();
  const bytes = blobOf("layer");
  const writer = await cache.write(digestOf(bytes), bytes.length);
  await writer?.write(bytes.subarray(0, 999));
  expect(await get(cache, bytes)).toBeUndefined();
  await writer?.commit();
  expect(await get(cache, bytes)).toBeUndefined();
  const second = await cache.write(digestOf(bytes), bytes.length);
  await second?.write(bytes);
  await second?.discard();
  await second?.commit();
  expect(await get(cache, bytes)).toBeUndefined();
  const third = await cache.write(digestOf(bytes), bytes.length);
  await third?.write(bytes);
  await cache.close();
  expect(incoming(homePath)).toEqual([]);
  expect(cachedBlobs(homePath)).toEqual([]);
  expect(warnings).toEqual([]);
});

test("what was used last stays when room is needed, by the time of its last use", async () => {
  const { homePath } = newCache();
  const [old, used, fresh] = [blobOf("old", MIB), blobOf("used", MIB), blobOf("fresh", MIB)];
  for (const bytes of [old, used]) await put(newCache({ homePath }).cache, bytes);
  utimesSync(pathOf(homePath, old), 2000, 2000);
  utimesSync(pathOf(homePath, used), 1000, 1000);
  const { cache } = newCache({ homePath, limitBytes: 2 * MIB + 10 });
  expect((await get(cache, used))?.length).toBe(MIB);
  await put(cache, fresh);
  expect(cachedBlobs(homePath).map(({ path }) => path)).toEqual(
    [pathOf(homePath, used), pathOf(homePath, fresh)].toSorted(),
  );
  // Now all of it is of this import: another one is not worth one of them.
  await put(cache, blobOf("more", MIB));
  expect(cachedBlobs(homePath)).toHaveLength(2);
  expect(await cache.write(digestOf(old), 3 * MIB)).toBeUndefined();
});

test("what was used before the clock was set back by years goes before what is used now", async () => {
  const { cache, homePath } = newCache({ limitBytes: 3000 });
  const [ahead, furtherAhead, old, coming] = ["a", "b", "c", "d"].map((text) => blobOf(text));
  if (!ahead || !furtherAhead || !old || !coming) throw new Error("no blobs");
  for (const bytes of [ahead, furtherAhead, old]) await put(cache, bytes);
  await cache.close();
  const nowSeconds = Date.now() / 1000;
  const inYears = (years: number): number => nowSeconds + years * 365 * 86_400;
  utimesSync(pathOf(homePath, ahead), inYears(10), inYears(10));
  utimesSync(pathOf(homePath, furtherAhead), inYears(11), inYears(11));
  utimesSync(pathOf(homePath, old), inYears(-1), inYears(-1));
  const later = newCache({ homePath, limitBytes: 3000 }).cache;
  await put(later, coming);
  const { cache: reader } = newCache({ homePath, limitBytes: 3000 });
  const left = [ahead, furtherAhead, old, coming].map(async (bytes) => get(reader, bytes));
  expect((await Promise.all(left)).map((bytes) => bytes?.toString("utf8", 0, 1))).toEqual([
    undefined,
    "b",
    "c",
    "d",
  ]);
});

test("the sizes of layers on their way count, also of other imports", async () => {
  const { cache, homePath, warnings } = newCache({ limitBytes: 3 * MIB });
  const begun = await cache.write(digestOf(blobOf("a")), 2 * MIB);
  expect(begun).toBeDefined();
  const other = newCache({ homePath, limitBytes: 3 * MIB });
  expect(await other.cache.write(digestOf(blobOf("b")), 2 * MIB)).toBeUndefined();
  await begun?.discard();
  expect(await other.cache.write(digestOf(blobOf("b")), 2 * MIB)).toBeDefined();
  expect([...warnings, ...other.warnings]).toEqual([]);
});

test("a file of another size, a link, a directory: not in the cache", async () => {
  const { cache, homePath } = newCache();
  const bytes = blobOf("layer");
  mkdirSync(join(homePath, "blobs", "sha256"), { recursive: true });
  writeFileSync(pathOf(homePath, bytes), bytes.subarray(1));
  expect(await get(cache, bytes)).toBeUndefined();
  // It is not asked for twice.
  expect(cachedBlobs(homePath)).toEqual([]);
  writeFileSync(join(homePath, "elsewhere"), bytes);
  symlinkSync(join(homePath, "elsewhere"), pathOf(homePath, bytes));
  expect(await get(cache, bytes)).toBeUndefined();
  rmSync(pathOf(homePath, bytes));
  mkdirSync(pathOf(homePath, bytes));
  expect(await get(cache, bytes)).toBeUndefined();
});

test("the cache may be deleted at any time", async () => {
  const { cache, homePath, warnings } = newCache();
  const [first, second, third] = ["1", "2", "3"].map((text) => blobOf(text));
  if (first === undefined || second === undefined || third === undefined) return;
  await put(cache, first);
  const reading = await cache.read(digestOf(first), first.length);
  const writer = await cache.write(digestOf(second), second.length);
  await writer?.write(second.subarray(0, 500));
  rmSync(join(homePath, "blobs"), { recursive: true });
  const target = Buffer.alloc(first.length);
  expect(await reading?.read(target)).toBe(first.length);
  expect(target.equals(first)).toBe(true);
  reading?.close();
  await writer?.write(second.subarray(500));
  await writer?.commit();
  expect(await get(cache, second)).toBeUndefined();
  await put(cache, third);
  expect((await get(cache, third))?.equals(third)).toBe(true);
  expect(warnings).toEqual([]);
});

test("what a living import is pulling is not removed as stale, what a dead one left is", async () => {
  const { cache, homePath } = newCache();
  const bytes = blobOf("layer");
  const writer = await cache.write(digestOf(bytes), bytes.length);
  await writer?.write(bytes);
  const place = join(homePath, "blobs", "incoming");
  const dead = "0".repeat(20);
  writeFileSync(join(place, `${dead}.lock`), "");
  writeFileSync(join(place, `${dead}.1`), "half");
  writeFileSync(join(place, `${"1".repeat(20)}.1`), "without a lock");
  expect(removeStaleIncoming(homePath)).toBe(2);
  expect(incoming(homePath)).toHaveLength(2);
  await writer?.commit();
  expect((await get(cache, bytes))?.equals(bytes)).toBe(true);
});

test("a disk with too little room for import and cache is told once, and nothing more is cached", async () => {
  const { cache, warnings } = newCache({ limitBytes: 2 ** 52 });
  expect(await cache.write(digestOf(blobOf("a")), 2 ** 50)).toBeUndefined();
  expect(await cache.write(digestOf(blobOf("a")), 1)).toBeUndefined();
  expect(warnings).toEqual(["the blob cache takes no more layers: the disk has too little room"]);
});

test("a disk that is full in mid-blob gets its room back at once", { timeout: 30_000 }, () => {
  const mountPoint = join(scratchDirectory(), "disk");
  mkdirSync(mountPoint);
  const program = join(import.meta.dirname, "../support/fill-cache-disk.ts");
  const namespaces = process.getuid?.() === 0 ? ["--mount"] : ["--map-root-user", "--mount"];
  const script = `mount -t tmpfs -o size=8m none ${mountPoint} && "$0" ${program} ${mountPoint}`;
  const run = spawnSync("unshare", [...namespaces, "bash", "-euc", script, process.execPath], {
    // With a socket as its stdin, bash takes itself for a remote shell and reads /etc/bash.bashrc.
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  expect(run.stderr).toBe("");
  expect(JSON.parse(run.stdout)).toEqual({
    began: true,
    warnings: [
      expect.stringMatching(
        /^the blob cache takes no more layers: cannot write: no space is left at .*blobs\/incoming/,
      ),
    ],
    temporary: [expect.stringMatching(/\.lock$/)],
    more: false,
    found: false,
    left: [],
  });
});
