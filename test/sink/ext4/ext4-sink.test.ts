import { createCipheriv, createHash } from "node:crypto";
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
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { createExt4Sink } from "../../../src/sink/ext4/ext4-sink.ts";
import type { BodyRef, ImageToPlace, SealedRootfs, Sink } from "../../../src/sink/sink.ts";
import { checkImage } from "../../support/ext4-check.ts";
import { importErrorFrom, importErrorOf } from "../../support/import-error.ts";
import { withMounted } from "../../support/loop-mount.ts";
import { readDirectory } from "../../support/read-directory.ts";
import { scratchDirectory } from "../../support/scratch.ts";
import { placeWith, sealContext } from "../../support/seal-in-thread.ts";
import { sinkContract, type SinkUnderTest } from "../../support/sink-contract.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";

const MIB = 2 ** 20;
const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

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

interface Layers {
  /** Bytes of each body of each layer, bottom first. */
  readonly bodies: readonly (readonly Uint8Array[])[];
  /** What the sink is told of their compressed sizes. Default: a third of the bodies. */
  readonly layerBytes?: readonly number[];
  /** In which order the layers are placed, side by side in turns. Default: as they are. */
  readonly order?: readonly number[];
  readonly diskMib?: number;
  /** Names that survive, `layer:body`. Default: all. */
  readonly kept?: (name: string) => boolean;
  /** When the image says that it was made. */
  readonly createdSeconds?: number;
  readonly epochSeconds?: number;
  /** Layers that are placed twice, first with these bodies. */
  readonly failed?: ReadonlyMap<number, readonly Uint8Array[]>;
}

interface Made {
  readonly imagePath: string;
  readonly sealed: SealedRootfs;
  readonly sink: Sink;
}

function imageOf({ bodies, layerBytes, createdSeconds = 1_700_000_000 }: Layers): ImageToPlace {
  const sizes = bodies.map((all) => all.reduce((sum, { length }) => sum + length, 0));
  return {
    manifestDigest: `sha256:${"1".repeat(64)}`,
    platform: "linux/amd64",
    createdSeconds,
    layerBytes: layerBytes ?? sizes.map((size) => Math.ceil(size / 3)),
  };
}

function placeLayer(sink: Sink, layer: number, bodies: readonly Uint8Array[]): BodyRef[] {
  const placer = createPlacer(sink.placerPlan(layer));
  try {
    const place = placeWith(placer);
    const refs = bodies.map((body) => place(body, ATTRIBUTES));
    sink.placed(layer, placer.finish());
    return refs;
  } finally {
    placer.close();
  }
}

/** Writes what a failed download left, up to the point where it failed. */
function failLayer(sink: Sink, layer: number, bodies: readonly Uint8Array[]): void {
  const placer = createPlacer(sink.placerPlan(layer));
  for (const body of bodies) placeWith(placer)(body, ATTRIBUTES);
  placer.finish();
  placer.close();
}

async function make(layers: Layers, imagePath = join(scratchDirectory(), "image")): Promise<Made> {
  const { bodies, diskMib = 64, kept = () => true, failed } = layers;
  const { epochSeconds } = layers;
  const sink = createExt4Sink({ imagePath, diskBytes: diskMib * MIB, epochSeconds });
  await sink.prepare();
  const order = sink.begin(imageOf(layers));
  const all = bodies.map((_, layer) => layer);
  const refs = new Map<Uint8Array, BodyRef>();
  for (const layer of order === "bottom-up" ? all : (layers.order ?? all)) {
    const garbage = failed?.get(layer);
    if (garbage !== undefined) failLayer(sink, layer, garbage);
    const placed = placeLayer(sink, layer, bodies[layer] ?? []);
    for (const [index, body] of (bodies[layer] ?? []).entries())
      refs.set(body, placed[index] ?? -1);
  }
  const entries = bodies
    .flatMap((list, layer) =>
      list.map((content, body): TreeEntry => ({ path: `${layer}:${body}`, type: "file", content })),
    )
    .filter(({ path }) => kept(path));
  const tree = buildTree(entries, (content) => refs.get(content) ?? -1);
  const sealed = await sink.seal(tree, sealContext(runSealTask, { fsync: true }));
  return { imagePath, sealed, sink };
}

/** Bytes that no compressor and no hole takes away. */
function noise(bytes: number, seed: string): Buffer {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), key.subarray(16));
  return cipher.update(Buffer.alloc(bytes));
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
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
  const { blockBytes, firstBlocks, blockCounts, checksums } = sealed.checksums ?? {
    blockBytes: 0,
    firstBlocks: new Uint32Array(),
    blockCounts: new Uint32Array(),
    checksums: new Uint32Array(),
  };
  let end = 0;
  for (const [range, first] of firstBlocks.entries()) {
    expect(first).toBeGreaterThanOrEqual(end);
    // What lies between is a hole.
    expect(isZero(image.subarray(end * blockBytes, first * blockBytes))).toBe(true);
    end = first + (blockCounts[range] ?? 0);
    expect(crc32(image.subarray(first * blockBytes, end * blockBytes))).toBe(checksums[range]);
  }
  expect(isZero(image.subarray(end * blockBytes))).toBe(true);
  expect(sealed.usedBytes).toBe(blockCounts.reduce((sum, blocks) => sum + blocks, 0) * blockBytes);
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
  const entries = bodies.map(([content], layer): TreeEntry => ({
    path: `${layer}`,
    type: "file",
    ...(content === undefined ? {} : { content }),
  }));
  const tree = buildTree(
    entries,
    (content) => refs[bodies.findIndex(([it]) => it === content)]?.[0] ?? -1,
  );
  await sink.seal(tree, sealContext(runSealTask));
  await checkImage(imagePath);
  await withMounted(imagePath, "read-only", (rootPath) => {
    expect(readFileSync(join(rootPath, "0")).equals(bodies[0]?.[0] ?? Buffer.alloc(0))).toBe(true);
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
