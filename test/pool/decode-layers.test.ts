import fc from "fast-check";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cancellation } from "../../src/errors.ts";
import { NO_BODY } from "../../src/layer/entry-batch.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/limits.ts";
import type { LayerBytes } from "../../src/pool/decode-layer.ts";
import { decodeLayers, type LayerToDecode } from "../../src/pool/decode-layers.ts";
import { startWorkerPool, type WorkerPool } from "../../src/pool/worker-pool.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { zstdWithWindow } from "../support/hostile/hostile-layout.ts";
import { directoryEntry, fileEntry, makeLayer } from "../support/make-layer.ts";
import { bytesOf, decodeOptions, layersToDecode } from "../support/pull-layers.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";

let pool: WorkerPool;
let layers: readonly TestLayer[];

beforeAll(async () => {
  pool = startWorkerPool(2);
  layers = await Promise.all([
    makeLayer([fileEntry("base", "base ".repeat(300_000))]),
    makeLayer([fileEntry("middle", "middle")], "zstd"),
    makeLayer([fileEntry("top", "top ".repeat(50_000))], "none"),
  ]);
});
afterAll(() => pool.close());

function layerOfDirectories(count: number, layer: number): Promise<TestLayer> {
  const entries = Array.from({ length: count }, (_, number) =>
    directoryEntry(`directory-${layer}-${number}`),
  );
  return makeLayer(entries, "none");
}

function limited(
  limits: Partial<Limits>,
  stored: readonly TestLayer[],
  open: (layer: number, bytes: Uint8Array, signal: AbortSignal) => LayerBytes = (_, bytes) =>
    bytesOf(bytes),
): readonly LayerToDecode[] {
  return layersToDecode(
    stored,
    [],
    (layer, _fresh, signal) => open(layer, stored[layer]?.bytes ?? new Uint8Array(), signal),
    { ...DEFAULT_LIMITS, ...limits },
  );
}

/** Bytes that never come. */
function stuckUntil(signal: AbortSignal): LayerBytes {
  return {
    read: () =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(cancellation(signal)), { once: true });
      }),
    cancel: () => undefined,
  };
}

test("layers of every compression decode side by side and are handed over bottom first", async () => {
  const directory = scratchDirectory();
  const paths: string[] = [];
  const bodies: number[] = [];
  const options = decodeOptions(directory, {
    onLayer: (_layer, batches) => {
      for (const { bytes, pathOffsets, pathLengths, bodies: refs } of batches) {
        const at = pathOffsets[0] ?? 0;
        paths.push(Buffer.from(bytes.subarray(at, at + (pathLengths[0] ?? 0))).toString());
        bodies.push(refs[0] ?? NO_BODY);
      }
    },
  });
  await decodeLayers(pool, layersToDecode(layers), options);
  expect(paths).toEqual(["base", "middle", "top"]);
  expect(new Set(bodies).size).toBe(3);
  const placed = readdirSync(directory).map((name) =>
    readFileSync(join(directory, name, readdirSync(join(directory, name))[0] ?? ""), "utf8"),
  );
  expect(placed.toSorted()).toEqual(
    ["base ".repeat(300_000), "middle", "top ".repeat(50_000)].toSorted(),
  );
});

test("a source is told how long its worker has idled", async () => {
  const idled: number[] = [];
  const slow = (bytes: Uint8Array): LayerBytes => {
    const source = bytesOf(bytes);
    let idleMs: (() => number) | undefined;
    return {
      ...source,
      watchConsumer: (given) => {
        idleMs = given;
      },
      read: async (target) => {
        const before = idleMs?.() ?? Number.NaN;
        // The timer's own clock may be a little early.
        await sleep(30);
        if (idled.length === 0) idled.push((idleMs?.() ?? 0) - before);
        return source.read(target);
      },
    };
  };
  const [layer] = layers;
  if (layer === undefined) throw new Error("no layer");
  await decodeLayers(
    pool,
    limited({}, [layer], (_, bytes) => slow(bytes)),
    decodeOptions(scratchDirectory()),
  );
  expect(idled[0]).toBeGreaterThan(25);
});

test("the largest layer is begun first", async () => {
  const opened: string[] = [];
  await decodeLayers(
    pool,
    layersToDecode(layers, opened),
    decodeOptions(scratchDirectory(), { concurrency: 1 }),
  );
  const bySize = layers
    .map(({ bytes }, index) => ({ index, size: bytes.length }))
    .toSorted((a, b) => b.size - a.size);
  expect(opened).toEqual(bySize.map(({ index }) => `${index}`));
});

test("a layer without its digest is opened once more, fresh, and placed anew", async () => {
  const opened: string[] = [];
  const damaged = Buffer.from(layers[1]?.bytes ?? []);
  damaged[10] = (damaged[10] ?? 0) ^ 1;
  const refetched: string[] = [];
  const source = layersToDecode(layers, opened, (layer, fresh) =>
    bytesOf(layer === 1 && !fresh ? damaged : (layers[layer]?.bytes ?? Buffer.alloc(0))),
  );
  const options = decodeOptions(scratchDirectory(), {
    onRefetch: (layer, why) => refetched.push(`${layer} ${why.code}`),
  });
  await decodeLayers(pool, source, options);
  expect(options.delivered).toEqual([0, 1, 2]);
  expect(opened.filter((name) => name.startsWith("1"))).toEqual(["1", "1 fresh"]);
  expect(refetched).toEqual(["1 ERR_DIGEST_MISMATCH"]);
});

test("the first error stops the others, and when it is thrown nothing is read any more", async () => {
  const cancelled: number[] = [];
  let reads = 0;
  const source = layersToDecode(layers, [], (layer) => ({
    read: async () => {
      reads += 1;
      await sleep(5);
      if (layer === 1) throw new Error("the network is gone");
      return 1;
    },
    cancel: () => cancelled.push(layer),
  }));
  const options = decodeOptions(scratchDirectory());
  await expect(decodeLayers(pool, source, options)).rejects.toThrow("the network is gone");
  const readsThen = reads;
  expect(new Set(cancelled)).toEqual(new Set([0, 1, 2]));
  expect(options.delivered).toEqual([]);
  await sleep(30);
  expect(reads).toBe(readsThen);
});

test("entries that wait above a layer that does not come are limited all together", async () => {
  const names = await Promise.all([0, 1, 2].map((layer) => layerOfDirectories(100, layer)));
  const source = limited(
    { entries: 250 },
    [...layers.slice(0, 1), ...names],
    (layer, bytes, signal) => (layer === 0 ? stuckUntil(signal) : bytesOf(bytes)),
  );
  const error = await importErrorFrom(
    decodeLayers(pool, source, decodeOptions(scratchDirectory())),
  );
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.message).toMatch(
    /^layer [234] of 4 of test: with this layer 300 entries wait to be merged; the limit is 250$/,
  );
  expect(error.hint).toContain("--limit entries=");
});

test("bytes of names that wait are limited too", async () => {
  const names = await Promise.all([0, 1].map((layer) => layerOfDirectories(100, layer)));
  const source = limited({ metadataBytes: 1000 }, names);
  const error = await importErrorFrom(
    decodeLayers(pool, source, decodeOptions(scratchDirectory())),
  );
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.details).toMatchObject({ limit: "metadataBytes", limitValue: 1000 });
});

test("the tree and what waits have one limit, in the middle of a merge too", async () => {
  const names = await Promise.all([0, 1].map((layer) => layerOfDirectories(100, layer)));
  let treeBytes = 0;
  const options = decodeOptions(scratchDirectory(), {
    onLayer: (_layer, batches) => {
      for (const { count } of batches) treeBytes += count * 1000;
    },
    treeBytes: () => treeBytes,
  });
  const error = await importErrorFrom(
    decodeLayers(pool, limited({ metadataBytes: 100_000 }, names), options),
  );
  expect(error.details).toMatchObject({ limit: "metadataBytes", layer: 1 });
  expect(treeBytes).toBe(100_000);
});

test("what was merged makes room for the layers above", async () => {
  const names = await Promise.all([0, 1, 2].map((layer) => layerOfDirectories(100, layer)));
  // The first once more on top: its entries are let go when its upper place is merged.
  const all = [...names, ...names.slice(0, 1)];
  const options = decodeOptions(scratchDirectory(), { concurrency: 1 });
  await decodeLayers(pool, limited({ entries: 200 }, all), options);
  expect(options.delivered).toEqual([0, 1, 2, 3]);
});

test("what a damaged copy had unpacked makes room for the good one", async () => {
  // More than one batch, so that some are there before the digest is known to be wrong.
  const layer = await layerOfDirectories(5000, 0);
  const damaged = Buffer.from(layer.bytes);
  damaged[damaged.length - 1] = 1;
  let copies = 0;
  const source = limited({ entries: 6000 }, [layer], (_, bytes) =>
    bytesOf(copies++ === 0 ? damaged : bytes),
  );
  const options = decodeOptions(scratchDirectory());
  await decodeLayers(pool, source, options);
  expect([copies, options.delivered]).toEqual([2, [0]]);
});

test("as long as mirrors send bombs or wrong bytes, another copy is opened; without mirrors none", async () => {
  const good = await layerOfDirectories(50, 0);
  const bomb = gzipSync((await layerOfDirectories(500, 0)).bytes);
  const wrong = Buffer.from(good.bytes);
  wrong[wrong.length - 1] = 1;
  const decodeFrom = async (copies: readonly Uint8Array[], mirrors: number): Promise<number> => {
    let opened = 0;
    const [source] = limited({ entries: 100 }, [good], () =>
      bytesOf(copies[opened++] ?? good.bytes),
    );
    if (source === undefined) throw new Error("no layer");
    const layer = { ...source, hasAnotherHost: () => opened <= mirrors };
    const options = decodeOptions(scratchDirectory());
    await decodeLayers(pool, [layer], options);
    return opened;
  };
  expect(await decodeFrom([bomb, wrong, bomb], 3)).toBe(4);
  const bombs = [bomb, bomb];
  expect((await importErrorFrom(decodeFrom(bombs, 1))).code).toBe("ERR_LIMIT_EXCEEDED");
  expect((await importErrorFrom(decodeFrom(bombs, 0))).code).toBe("ERR_LIMIT_EXCEEDED");
  expect((await importErrorFrom(decodeFrom([wrong, wrong], 1))).code).toBe("ERR_DIGEST_MISMATCH");
});

test("a cancelled import ends with ERR_CANCELLED, and workers are free for the next one", async () => {
  const abort = new AbortController();
  const source = layersToDecode(layers, [], () => ({
    read: async () => {
      await sleep(5);
      abort.abort();
      return 1;
    },
    cancel: () => undefined,
  }));
  const options = decodeOptions(scratchDirectory(), { signal: abort.signal });
  await expect(decodeLayers(pool, source, options)).rejects.toMatchObject({
    code: "ERR_CANCELLED",
  });
  const next = decodeOptions(scratchDirectory());
  await decodeLayers(pool, layersToDecode(layers), next);
  expect(next.delivered).toEqual([0, 1, 2]);
});

test("the empty layer at many places is opened once; one with bodies once a place", async () => {
  const empty = await makeLayer([directoryEntry("etc")]);
  const full = await makeLayer([fileEntry("a", "a")]);
  const opened: string[] = [];
  const options = decodeOptions(scratchDirectory(), { concurrency: 1 });
  await decodeLayers(pool, layersToDecode([empty, full, empty, full, empty], opened), options);
  expect(options.delivered).toEqual([0, 1, 2, 3, 4]);
  expect(opened.toSorted()).toEqual(["0", "1", "3"]);
});

test("any layers finish at any concurrency, and are handed over in order", async () => {
  const size = fc.integer({ min: 0, max: 400_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(size, { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 12 }),
      async (sizes, concurrency) => {
        const many = await Promise.all(
          sizes.map((bytes, n) =>
            makeLayer([fileEntry(`f${n}`, Buffer.alloc(bytes, `${n}`))], "none"),
          ),
        );
        const options = decodeOptions(scratchDirectory(), { concurrency });
        await decodeLayers(pool, layersToDecode(many), options);
        expect(options.delivered).toEqual(sizes.map((_, index) => index));
      },
    ),
    { numRuns: 15 },
  );
});

test("a worker that dies in mid-layer is one error, not a stuck process", async () => {
  const mortal = startWorkerPool(1);
  const source = layersToDecode(layers.slice(0, 1), [], () => ({
    read: async () => {
      await mortal.close();
      return 1;
    },
    cancel: () => undefined,
  }));
  await expect(
    decodeLayers(mortal, source, decodeOptions(scratchDirectory())),
  ).rejects.toMatchObject({ code: "ERR_WORKER_FAILED" });
});

test("layers with large zstd windows take turns, those with small ones wait for nobody", async () => {
  const archive = await makeLayer([fileEntry("file", noise)], "none");
  const large = { ...archive, bytes: inWindow(archive.bytes, 27) };
  const small = { ...archive, bytes: inWindow(archive.bytes, 20) };
  const opened: string[] = [];
  const underWay = new Set<number>();
  const sets: string[] = [];
  const stored = [large, small, large];
  const source = layersToDecode(stored, opened, (layer) => {
    const bytes = bytesOf(stored[layer]?.bytes ?? new Uint8Array());
    const again = opened.filter((name) => name === `${layer}`).length > 1;
    if (again) sets.push([...underWay.add(layer)].join());
    return {
      ...bytes,
      read: async (target) => {
        const length = await bytes.read(target);
        if (again && length === 0) underWay.delete(layer);
        return length;
      },
    };
  });
  const options = decodeOptions(scratchDirectory());
  await decodeLayers(pool, source, options);
  expect(options.delivered).toEqual([0, 1, 2]);
  expect(opened.toSorted()).toEqual(["0", "0", "1", "2", "2"]);
  expect(sets.toSorted()).toEqual(["0", "2"]);
});

test("a window beyond the limit is refused by the limit that was set", async () => {
  const archive = await makeLayer([fileEntry("file", "contents")], "none");
  const source = layersToDecode([{ ...archive, bytes: inWindow(archive.bytes, 28) }]);
  const error = await importErrorFrom(
    decodeLayers(pool, source, decodeOptions(scratchDirectory())),
  );
  expect(error.details).toMatchObject({ value: 2 ** 28, limitValue: 2 ** 27 });
});

const noise = Buffer.alloc(3_000_000, "3 MB, several buffers");
function inWindow(bytes: Uint8Array, exponent: number): Buffer {
  return Buffer.concat([...zstdWithWindow(exponent)([bytes])]);
}
