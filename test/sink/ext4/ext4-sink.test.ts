import { createHash } from "node:crypto";
import {
  createReadStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createExt4Sink } from "../../../src/sink/ext4/ext4-sink.ts";
import type { SealedRootfs } from "../../../src/sink/sink.ts";
import { checksumProblems } from "../../support/checksum-problems.ts";
import { checkImage } from "../../support/ext4-check.ts";
import { importErrorFrom, importErrorOf } from "../../support/import-error.ts";
import {
  imageOf,
  noise,
  placeLayer,
  sealLayers,
  sealPlaced,
  type Layers,
} from "../../support/layered-image.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";

const MIB = 2 ** 20;

function ext4Sink(): SinkUnderTest {
  const staging = mkdtempSync(join(tmpdir(), "rootlift-sink-"));
  const imagePath = join(staging, "rootfs.ext4");
  return {
    sink: createExt4Sink({ imagePath, diskBytes: 72 * MIB }),
    createPlacer,
    runTask: runSealTask,
    read: async () => {
      await checkImage(imagePath);
      return withMounted(imagePath, "read-only", (rootPath) =>
        readDirectory(rootPath).filter(({ path }) => path !== "lost+found"),
      );
    },
    staged: () => readdirSync(staging),
    cleanUp: () => rmSync(staging, { recursive: true }),
  };
}

sinkContract("ext4", ext4Sink);

interface Ext4Layers extends Layers {
  readonly diskMib?: number;
  readonly epochSeconds?: number;
}

interface Made {
  readonly imagePath: string;
  readonly sealed: SealedRootfs;
}

async function make(
  layers: Ext4Layers,
  imagePath = join(scratchDirectory(), "image"),
): Promise<Made> {
  const { diskMib = 64, epochSeconds } = layers;
  const sink = createExt4Sink({ imagePath, diskBytes: diskMib * MIB, epochSeconds });
  return { imagePath, sealed: await sealLayers(sink, layers) };
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

const THREE_LAYERS = [
  [noise(900_000, "a"), noise(5, "b"), noise(4096, "c")],
  [noise(3_000_000, "d"), noise(70_000, "e")],
  [noise(10, "f")],
];

test("the bytes of an image do not depend on the order in which its layers arrive", async () => {
  const first = await make({ bodies: THREE_LAYERS });
  const second = await make({ bodies: THREE_LAYERS, order: [2, 0, 1] });
  const other = await make({ bodies: THREE_LAYERS, diskMib: 65 });
  expect(await sha256OfFile(second.imagePath)).toBe(await sha256OfFile(first.imagePath));
  expect(await sha256OfFile(other.imagePath)).not.toBe(await sha256OfFile(first.imagePath));
  await checkImage(first.imagePath);
});

test("a body that an upper layer hides is found nowhere in the image", async () => {
  const secret = Buffer.from("the-password-that-somebody-deleted");
  const around = noise(200_000, "around");
  const bodies = [
    [
      around.subarray(0, 90_000),
      Buffer.concat([secret, noise(9000, "s"), secret]),
      noise(50_000, "x"),
    ],
    [secret],
    [around.subarray(90_000)],
  ];
  const everything = await make({ bodies });
  expect(readFileSync(everything.imagePath).includes(secret)).toBe(true);
  const { imagePath } = await make({ bodies, kept: (name) => name !== "0:1" && name !== "1:0" });
  expect(readFileSync(imagePath).includes(secret)).toBe(false);
  await checkImage(imagePath);
});

test("what a failed download wrote is found nowhere, and leaves the image as without it", async () => {
  const garbage = Buffer.from("bytes of a damaged download");
  const failed = new Map([[1, [noise(5_000_000, "failed"), garbage]]]);
  const clean = await make({ bodies: THREE_LAYERS });
  const again = await make({ bodies: THREE_LAYERS, failed });
  const image = readFileSync(again.imagePath);
  expect(image.includes(garbage)).toBe(false);
  expect(image.includes(noise(5_000_000, "failed").subarray(4_900_000))).toBe(false);
  expect(image.equals(readFileSync(clean.imagePath))).toBe(true);
  await checkImage(again.imagePath);
});

test("checksums cover all that is in the image, each range once", async () => {
  const { imagePath, sealed } = await make({
    bodies: THREE_LAYERS,
    kept: (name) => name !== "1:1",
  });
  const image = readFileSync(imagePath);
  expect(checksumProblems(image, sealed.checksums)).toEqual([]);
  const blocks = [...(sealed.checksums?.blockCounts ?? [])];
  expect(sealed.usedBytes).toBe(blocks.reduce((sum, count) => sum + count, 0) * 4096);
  expect(statSync(imagePath).blocks * 512).toBeLessThan(sealed.usedBytes + 200_000);
});

test("layers that are large for the disk are placed bottom-up, densely", async () => {
  const bodies = [[noise(9_000_000, "a")], [noise(9_000_000, "b")], [noise(3_000_000, "c")]];
  const { imagePath, sealed } = await make({ bodies, diskMib: 28 });
  await checkImage(imagePath);
  expect(sealed.usedBytes).toBeGreaterThan(21_000_000);
});

test("layers that outgrow their share of the disk are placed again, bottom-up", async () => {
  const bodies = [[noise(9_000_000, "a")], [noise(100, "b")]];
  const layers = { bodies, layerBytes: [1000, 1_000_000], diskMib: 32 };
  const imagePath = join(scratchDirectory(), "image");
  const sink = createExt4Sink({ imagePath, diskBytes: 32 * MIB });
  await sink.prepare();
  expect(sink.begin(imageOf(layers))).toBe("largest-first");
  const error = importErrorOf(() => placeLayer(sink, 0, bodies[0] ?? []));
  expect(error.code).toBe("ERR_DISK_TOO_SMALL");
  expect(sink.startOver(new ImportError("ERR_DISK_FULL", "full"))).toBeUndefined();
  expect(sink.startOver(error)).toBe("bottom-up");
  expect(statSync(imagePath)).toMatchObject({ size: 32 * MIB, blocks: 0 });
  const refs = bodies.map((list, layer) => placeLayer(sink, layer, list));
  expect(sink.startOver(error)).toBeUndefined();
  await sealPlaced(sink, layers, refs);
  await checkImage(imagePath);
  await withMounted(imagePath, "read-only", (rootPath) => {
    expect(readFileSync(join(rootPath, "0:0")).equals(bodies[0]?.[0] ?? Buffer.alloc(0))).toBe(
      true,
    );
  });
});

test("a disk that is too small is refused with the size that is enough, and that size is enough", async () => {
  const bodies = [[noise(9_000_000, "a")], [noise(9_000_000, "b"), noise(1000, "c")]];
  const imagePath = join(scratchDirectory(), "image");
  const error = await importErrorFrom(make({ bodies, diskMib: 12 }, imagePath));
  expect(error.code).toBe("ERR_DISK_TOO_SMALL");
  const neededMib = Number(error.details["neededMib"]);
  expect(error.hint).toContain(`--disk_mb ${neededMib}`);
  // No magic number: nobody can take it for an image before it is removed.
  expect(readFileSync(imagePath).readUInt16LE(1024 + 0x38)).toBe(0);
  const { imagePath: enough } = await make({ bodies, diskMib: neededMib });
  await checkImage(enough);
  const less = await importErrorFrom(make({ bodies, diskMib: neededMib - 1 }));
  expect(less.details["neededMib"]).toBe(neededMib);
});

test("layers that are larger than the disk while compressed are refused before anything is pulled", async () => {
  const directory = scratchDirectory();
  const sink = createExt4Sink({ imagePath: join(directory, "image"), diskBytes: 16 * MIB });
  await sink.prepare();
  const image = { ...imageOf({ bodies: [] }), layerBytes: [9 * MIB, 8 * MIB] };
  const error = importErrorOf(() => sink.begin(image));
  expect(error).toMatchObject({ code: "ERR_DISK_TOO_SMALL" });
  expect(Number(error.details["neededMib"])).toBeGreaterThan(17 * 3);
  await sink.abort();
  expect(readdirSync(directory)).toEqual([]);
});

test("an image file that is there already is refused, and stays", async () => {
  const { imagePath } = await make({ bodies: [[noise(10, "a")]] });
  const sink = createExt4Sink({ imagePath, diskBytes: 16 * MIB });
  expect(await importErrorFrom(sink.prepare())).toMatchObject({ code: "ERR_OUTPUT_EXISTS" });
  await sink.abort();
  await checkImage(imagePath);
});

/** `s_mkfs_time`. */
function makeTimeOf({ imagePath }: Made): number {
  return readFileSync(imagePath).readUInt32LE(1024 + 0x108);
}

test("SOURCE_DATE_EPOCH, else the image's own date, is the time of the file system", async () => {
  const bodies = [[noise(10, "a")]];
  expect(makeTimeOf(await make({ bodies }))).toBe(1_700_000_000);
  expect(makeTimeOf(await make({ bodies, createdSeconds: 2 ** 39 }))).toBe(0);
  expect(makeTimeOf(await make({ bodies, epochSeconds: 12_345 }))).toBe(12_345);
});
