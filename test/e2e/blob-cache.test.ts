import { EventEmitter, once } from "node:events";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collectStoreGarbage, importSandboxImage, measureStore } from "../../src/index.ts";
import type { ImportEvent, ImportSandboxImageOptions } from "../../src/index.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { startSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";
import { digestText } from "../support/digest-text.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

let layers: readonly TestLayer[];
/** A store with a filled cache, and the tree that was imported into it. */
let warm: { readonly home: string; readonly tree: Buffer };
let work: string;

beforeAll(async () => {
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * n * 31) >> 7));
  layers = await Promise.all([
    makeLayer([fileEntry("etc/a", noise)]),
    makeLayer([fileEntry("etc/b", noise.subarray(1000))]),
  ]);
  work = mkdtempSync(join(tmpdir(), "rootlift-blob-cache-"));
  const home = join(work, "home");
  const registry = await startTestRegistry();
  try {
    await registry.addImage("app", "1", { layers });
    const record = await importSandboxImage(`${registry.host}/app:1`, optionsFor(home));
    warm = { home, tree: readFileSync(record.path) };
  } finally {
    await registry.close();
  }
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

function optionsFor(home: string): ImportSandboxImageOptions {
  const env = { ROOTLIFT_BLOB_CACHE: "on" };
  return { home, format: "tar", cpus: 1, fsync: false, replace: true, env };
}

interface CacheWorld {
  readonly registry: TestRegistry;
  readonly home: string;
  readonly events: readonly ImportEvent[];
  /** Blobs that were asked for since the last call. */
  readonly blobRequests: () => number;
  /** @returns the bytes of the tree, as an archive */
  readonly pull: (options?: ImportSandboxImageOptions) => Promise<Buffer>;
  readonly blobs: () => readonly string[];
}

async function world(state: "warm" | "cold"): Promise<CacheWorld> {
  const registry = await startedRegistry();
  await registry.addImage("app", "1", { layers });
  const home = join(scratchDirectory(), "home");
  if (state === "warm") {
    // The cache alone: what is in the catalog lies elsewhere.
    cpSync(join(warm.home, "blobs"), join(home, "blobs"), { recursive: true });
  }
  const events: ImportEvent[] = [];
  let counted = 0;
  return {
    registry,
    home,
    events,
    blobRequests: () => {
      const all = registry.requests.filter(({ path }) => path.includes("/blobs/")).length;
      const since = all - counted;
      counted = all;
      return since;
    },
    pull: async (options = {}) => {
      const record = await importSandboxImage(`${registry.host}/app:1`, {
        ...optionsFor(home),
        onEvent: (event) => events.push(event),
        ...options,
      });
      return readFileSync(record.path);
    },
    blobs: () =>
      readdirSync(join(home, "blobs", "sha256")).map((name) => join(home, "blobs", "sha256", name)),
  };
}

test("a second import makes no blob request, and is the same tree", async () => {
  const { pull, blobRequests, home, registry, blobs } = await world("warm");
  // Two layers and the config.
  expect(blobs()).toHaveLength(3);
  expect((await pull()).equals(warm.tree)).toBe(true);
  expect(blobRequests()).toBe(0);
  expect(registry.violations).toEqual([]);
  expect((await measureStore({ home })).blobCache.diskBytes).toBeGreaterThan(50_000);
  await pull({ blobCache: "off" });
  expect(blobRequests()).toBe(3);
  const { removed, freedBytes } = await collectStoreGarbage({ home, blobCache: true });
  expect(removed.map(({ what }) => what)).toEqual(["the blob cache, 3 blobs"]);
  expect(freedBytes).toBeGreaterThan(50_000);
  expect(blobs()).toEqual([]);
});

const DAMAGE: readonly ((path: string) => void)[] = [
  (path) => overwriteByte(path, 2000),
  // The header of gzip.
  (path) => overwriteByte(path, 0),
  (path) => truncateSync(path, 100),
];

test("cached blobs that were damaged are pulled instead, and then cached right", async () => {
  const { pull, blobRequests, blobs, events } = await world("warm");
  for (const [index, path] of blobs().entries()) DAMAGE[index]?.(path);
  expect((await pull()).equals(warm.tree)).toBe(true);
  expect(blobRequests()).toBe(3);
  expect(blobs()).toHaveLength(3);
  for (const path of blobs()) expect(path).toContain(digestText(readFileSync(path)).slice(7));
  expect(events.filter(({ type }) => type === "warning")).toEqual([]);
});

function overwriteByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  const position = Math.min(at, bytes.length - 1);
  bytes[position] = (bytes[position] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

test("a cached blob that passes a limit before its digest is known is pulled instead", async () => {
  const { pull, blobRequests, home } = await world("warm");
  const good = layers[0]?.bytes ?? Buffer.alloc(0);
  const bomb = (await makeLayer([fileEntry("f", Buffer.alloc(3 << 20))])).bytes;
  const evil = Buffer.concat([bomb, Buffer.alloc(good.length - bomb.length)]);
  writeFileSync(join(home, "blobs", "sha256", digestText(good).slice(7)), evil);
  expect((await pull({ limits: { layerBytes: 1 << 20 } })).equals(warm.tree)).toBe(true);
  expect(blobRequests()).toBe(1);
});

test("bytes that did not have their digest never get into the cache", async () => {
  const { pull, registry, home, blobs } = await world("cold");
  const bad = layers[0]?.bytes ?? Buffer.alloc(0);
  registry.faults.add({
    on: "blob",
    digest: digestText(bad),
    kind: "flip",
    atByte: 3000,
    times: 1,
  });
  expect((await pull()).equals(warm.tree)).toBe(true);
  expect(blobs()).toHaveLength(3);
  for (const path of blobs()) expect(path).toContain(digestText(readFileSync(path)).slice(7));
  rmSync(join(home, "blobs"), { recursive: true });
  registry.faults.add({ on: "blob", digest: digestText(bad), kind: "flip", atByte: 3000 });
  expect((await importErrorFrom(pull())).code).toBe("ERR_DIGEST_MISMATCH");
  expect(blobs().join()).not.toContain(digestText(bad).slice(7));
  expect(readdirSync(join(home, "blobs", "incoming"))).toEqual([]);
});

test("a bad copy in the cache does not take the registry's second attempt", async () => {
  const { pull, registry, home } = await world("warm");
  const good = layers[0]?.bytes ?? Buffer.alloc(0);
  const path = join(home, "blobs", "sha256", digestText(good).slice(7));
  overwriteByte(path, 2000);
  registry.faults.add({ on: "blob", digest: digestText(good), kind: "flip", atByte: 9, times: 1 });
  expect((await pull()).equals(warm.tree)).toBe(true);
  expect(readFileSync(path).equals(good)).toBe(true);
});

test("a cache that is deleted in mid-import harms nobody", async () => {
  const { pull, registry, home } = await world("cold");
  const gate = new EventEmitter();
  const released = once(gate, "open");
  registry.faults.add({ on: "blob", kind: "hold", afterBytes: 2000, released, skip: 1 });
  const again = pull({
    onEvent: ({ type }) => {
      if (type !== "phase") return;
      rmSync(join(home, "blobs"), { recursive: true, force: true });
      gate.emit("open");
    },
  });
  expect((await again).equals(warm.tree)).toBe(true);
});

test("a layout is read where it lies, and not cached", async () => {
  const place = scratchDirectory();
  writeOciLayout(join(place, "layout"), "1", { layers: [...layers] });
  const home = join(place, "home");
  const options = { home, format: "tar", fsync: false, blobCache: true } as const;
  await importSandboxImage(`oci:${join(place, "layout")}:1`, options);
  expect(readdirSync(home)).not.toContain("blobs");
});

test(
  "what a killed import was caching is removed by the next command",
  { timeout: 30_000 },
  async () => {
    const { registry, home } = await world("cold");
    const released = new Promise<void>(() => undefined);
    registry.faults.add({ on: "blob", kind: "hold", afterBytes: 2000, released, skip: 1 });
    const args = ["sbx", "image", "import", `${registry.host}/app:1`, "--blob-cache", "1G"];
    const running = startSource(args, { ROOTLIFT_HOME: home, HOME: home });
    const incoming = join(home, "blobs", "incoming");
    await expect
      .poll(() => (readdirSync(home).includes("blobs") ? readdirSync(incoming).length : 0), {
        timeout: 20_000,
      })
      .toBeGreaterThan(1);
    running.kill("SIGKILL");
    await running.ended;
    const { removed } = await collectStoreGarbage({ home });
    expect(removed.map(({ what }) => what)).toContain("a layer on its way into the blob cache");
    expect(readdirSync(incoming)).toEqual([]);
  },
);

test.each(["", "5", "1X", "-1G", "on please", "0M"])(
  "the size %j is refused",
  async (blobCache) => {
    const importing = importSandboxImage("127.0.0.1:1/app", { blobCache, home: "/nonexistent" });
    const error = await importErrorFrom(importing);
    expect(error.code).toBe("ERR_OPTION_INVALID");
    expect(error.message).toContain("it must be off, on, or a size such as 500M or 20G");
  },
);
