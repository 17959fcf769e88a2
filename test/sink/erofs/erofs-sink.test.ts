import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createErofsSink } from "../../../src/sink/erofs/erofs-sink.ts";
import type { SealedRootfs, SealTask } from "../../../src/sink/sink.ts";
import { checksumProblems } from "../../support/checksum-problems.ts";
import { checkErofs } from "../../support/erofs-check.ts";
import { importErrorFrom } from "../../support/import-error.ts";
import { imageOf, noise, placeLayer, sealLayers, sealPlaced } from "../../support/layered-image.ts";
import type { Layers } from "../../support/layered-image.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";

function erofsSink(): SinkUnderTest {
  const staging = mkdtempSync(join(tmpdir(), "rootlift-sink-"));
  const imagePath = join(staging, "rootfs.erofs");
  return {
    sink: createErofsSink({ imagePath }),
    createPlacer,
    runTask: runSealTask,
    read: async () => {
      await checkErofs(imagePath);
      return withMounted(imagePath, "erofs", (rootPath) => readDirectory(rootPath));
    },
    leavesHolesOut: true,
    staged: () => readdirSync(staging),
    cleanUp: () => rmSync(staging, { recursive: true }),
  };
}

sinkContract("erofs", erofsSink);

interface ErofsLayers extends Layers {
  readonly epochSeconds?: number;
}

interface Made {
  readonly imagePath: string;
  readonly sealed: SealedRootfs;
  readonly image: Buffer;
}

async function make(layers: ErofsLayers): Promise<Made> {
  const imagePath = join(scratchDirectory(), "image");
  const { epochSeconds } = layers;
  const sealed = await sealLayers(createErofsSink({ imagePath, epochSeconds }), layers);
  return { imagePath, sealed, image: readFileSync(imagePath) };
}

/** The second layer is longer than a run, so that its neighbours lie between its blocks. */
const THREE_LAYERS = [
  [noise(3_900_000, "a"), noise(5, "b"), noise(4096, "c")],
  [noise(9_000_000, "d"), noise(70_000, "e"), noise(60_000, "f")],
  [noise(2_000_000, "g"), noise(10, "h")],
];

async function expectContents(imagePath: string, bodies: Layers["bodies"]): Promise<void> {
  await checkErofs(imagePath);
  await withMounted(imagePath, "erofs", (rootPath) => {
    for (const [layer, list] of bodies.entries()) {
      for (const [index, body] of list.entries()) {
        expect(readFileSync(join(rootPath, `${layer}:${index}`)).equals(body)).toBe(true);
      }
    }
  });
}

test("layers are dealt runs side by side, and the bytes do not depend on which arrives first", async () => {
  const sink = createErofsSink({ imagePath: join(scratchDirectory(), "image") });
  expect(sink.begin(imageOf({ bodies: THREE_LAYERS }))).toBe("largest-first");
  const first = await make({ bodies: THREE_LAYERS });
  const second = await make({ bodies: THREE_LAYERS, order: [2, 0, 1] });
  expect(second.image.equals(first.image)).toBe(true);
  await expectContents(first.imagePath, THREE_LAYERS);
});

test("an image is as large as what is in it, however the layers were guessed", async () => {
  const contents = THREE_LAYERS.flat().reduce((sum, { length }) => sum + length, 0);
  const small = await make({ bodies: THREE_LAYERS });
  // The first layer is said to have nearly everything: its runs are the most, and stay empty.
  const layerBytes = [9_000_000, 400_000, 400_000];
  const skewed = await make({ bodies: THREE_LAYERS, layerBytes });
  for (const { imagePath, sealed, image } of [small, skewed]) {
    expect(image.length).toBeLessThan(contents + 40 * 4096);
    expect(sealed.sizeBytes).toBe(image.length);
    expect(statSync(imagePath).blocks * 512).toBeLessThan(contents + 40 * 4096);
    await expectContents(imagePath, THREE_LAYERS);
  }
});

test("a body that an upper layer hides is found nowhere in the image", async () => {
  const secret = Buffer.from("the-password-that-somebody-deleted");
  const hidden = Buffer.concat([secret, noise(9000, "s"), secret]);
  const large = Buffer.concat([secret, noise(900_000, "l"), secret]);
  const bodies = [
    [noise(90_000, "1"), hidden, noise(50_000, "x"), large],
    [secret, noise(10, "y")],
    [noise(110_000, "2")],
  ];
  for (const layerBytes of [undefined, [3_000_000, 3_000_000, 3_000_000]]) {
    const layers = { bodies, ...(layerBytes === undefined ? {} : { layerBytes }) };
    const everything = await make(layers);
    expect(everything.image.includes(secret)).toBe(true);
    const gone = new Set(["0:1", "0:3", "1:0"]);
    const { imagePath, image } = await make({ ...layers, kept: (name) => !gone.has(name) });
    expect(image.includes(secret)).toBe(false);
    expect(image.includes(large.subarray(500_000, 500_100))).toBe(false);
    await checkErofs(imagePath);
  }
});

test("what a failed download wrote is found nowhere, and leaves the image as without it", async () => {
  const garbage = Buffer.from("bytes of a damaged download");
  const failed = new Map([[1, [noise(9_000_000, "failed"), garbage]]]);
  const clean = await make({ bodies: THREE_LAYERS });
  const again = await make({ bodies: THREE_LAYERS, failed });
  expect(again.image.includes(garbage)).toBe(false);
  expect(again.image.equals(clean.image)).toBe(true);
});

test("checksums cover all that is in the image, each range once", async () => {
  const { image, sealed } = await make({ bodies: THREE_LAYERS, kept: (name) => name !== "1:1" });
  expect(checksumProblems(image, sealed.checksums)).toEqual([]);
  const blocks = [...(sealed.checksums?.blockCounts ?? [])];
  expect(sealed.usedBytes).toBe(blocks.reduce((sum, count) => sum + count, 0) * 4096);
});

test("files of small images and of those of one layer lie in one piece", async () => {
  for (const bodies of [
    [[noise(9_000_000, "a"), noise(5, "b")]],
    [[noise(9000, "a")], [noise(9, "b")]],
  ]) {
    const { imagePath, image } = await make({ bodies });
    // No chunks: Linux 5.4 reads it.
    expect(image.readUInt32LE(1024 + 80)).toBe(0);
    await expectContents(imagePath, bodies);
  }
});

test("a layer that outgrows its share of what EROFS holds makes all start over, once", async () => {
  const imagePath = join(scratchDirectory(), "image");
  const sink = createErofsSink({ imagePath });
  await sink.prepare();
  expect(sink.begin(imageOf({ bodies: THREE_LAYERS }))).toBe("largest-first");
  placeLayer(sink, 0, THREE_LAYERS[0] ?? []);
  expect(statSync(imagePath).size).toBeGreaterThan(0);
  const outgrown = new ImportError("ERR_DISK_TOO_SMALL", "layer 1 outgrows its share of the disk");
  expect(sink.startOver(new ImportError("ERR_DISK_FULL", "full"))).toBeUndefined();
  expect(sink.startOver(outgrown)).toBe("bottom-up");
  expect(statSync(imagePath).size).toBe(0);
  const refs = THREE_LAYERS.map((list, layer) => placeLayer(sink, layer, list));
  expect(sink.startOver(outgrown)).toBeUndefined();
  await sealPlaced(sink, { bodies: THREE_LAYERS }, refs);
  await expectContents(imagePath, THREE_LAYERS);
});

test("an image file that is there already is refused, and stays", async () => {
  const { imagePath } = await make({ bodies: [[noise(10, "a")]] });
  const sink = createErofsSink({ imagePath });
  expect(await importErrorFrom(sink.prepare())).toMatchObject({ code: "ERR_OUTPUT_EXISTS" });
  await sink.abort();
  await checkErofs(imagePath);
});

test("an image has no magic number before its last write", async () => {
  const imagePath = join(scratchDirectory(), "image");
  const magic: number[] = [];
  const runTask = (task: SealTask): unknown => {
    const result = runSealTask(task);
    magic.push(readFileSync(imagePath).readUInt32LE(1024));
    return result;
  };
  await sealLayers(createErofsSink({ imagePath }), { bodies: THREE_LAYERS, runTask });
  expect(magic).toEqual([0, 0xe0f5_e1e2]);
});

function timeOf({ image }: Made): bigint {
  return image.readBigInt64LE(1024 + 24);
}

function uuidOf({ image }: Made): string {
  return image.toString("hex", 1024 + 48, 1024 + 64);
}

test("SOURCE_DATE_EPOCH, else the image's own date, is the time of the file system", async () => {
  const bodies = [[noise(10, "a")]];
  const usual = await make({ bodies });
  expect(timeOf(usual)).toBe(1_700_000_000n);
  expect(timeOf(await make({ bodies, createdSeconds: 2 ** 39 }))).toBe(0n);
  const dated = await make({ bodies, epochSeconds: 12_345 });
  expect(timeOf(dated)).toBe(12_345n);
  // RFC 9562, version 8: made of the manifest's digest and the platform, not of the time.
  expect(uuidOf(dated)).toBe(uuidOf(usual));
  expect(uuidOf(usual)).toMatch(/^.{12}8.{3}[89ab]/);
});
