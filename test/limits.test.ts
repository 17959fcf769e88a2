import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLayerDecoder } from "../src/layer/create-layer-decoder.ts";
import type { EntryBatch } from "../src/layer/entry-batch.ts";
import { DEFAULT_LIMITS, type Limits } from "../src/limits.ts";
import { createImageTotals, DecodedShare, holdBatch } from "../src/pool/image-totals.ts";
import { createLayerMerge } from "../src/rootfs/create-layer-merge.ts";
import type { OpenSourceOptions } from "../src/source/image-source.ts";
import { openOciLayout } from "../src/source/oci-layout-source.ts";
import {
  plain,
  writeHostileLayout,
  zstd,
  zstdWithWindow,
  type Encoding,
  type HostileImage,
} from "./support/hostile/hostile-layout.ts";
import { sparseFile } from "./support/hostile/hostile-inputs.ts";
import { blockEntry, blockHeader, paxEntry } from "./support/hostile/tar-blocks.ts";
import { importErrorFrom, importErrorOf } from "./support/import-error.ts";
import { runTl } from "./support/run-tl.ts";
import { scratchDirectory } from "./support/scratch.ts";

const MIB = 2 ** 20;
const ZEROS = Buffer.alloc(16 * MIB);
const XATTR = "SCHILY.xattr.user.";

/** An image that one limit, lowered to `limitValue`, refuses. */
interface Row {
  readonly image: HostileImage;
  readonly limitValue: number;
  /** What is met. */
  readonly value: unknown;
  /** Default ERR_LIMIT_EXCEEDED. */
  readonly code?: string;
  readonly layer?: number;
  readonly path?: string;
  /** What cannot be had whatever the limit: no file system holds it. */
  readonly hint?: RegExp;
}

const layerOf = (pieces: readonly Uint8Array[], encoding: Encoding = plain) => ({
  pieces: () => pieces,
  encoding,
});
const one = (...pieces: readonly Uint8Array[]): HostileImage => ({ layers: [layerOf(pieces)] });
const file = (name: string, body = ""): Buffer => blockEntry({ name }, Buffer.from(body));
const symlink = (name: string, link: string): Buffer => blockHeader({ name, type: "2", link });
const UNHOLDABLE = /no .*file system|takes no longer|change it/i;

const ROWS: Readonly<Record<keyof Limits, Row>> = {
  extensionHeaderBytes: {
    image: one(paxEntry([["comment", "c".repeat(90)]]), file("f")),
    limitValue: 100,
    value: 103,
    layer: 1,
  },
  extensionHeaders: {
    image: one(paxEntry([["comment", "1"]]), paxEntry([["comment", "2"]]), file("f")),
    limitValue: 1,
    value: 2,
    layer: 1,
  },
  pathBytes: {
    image: one(file("directory/file")),
    limitValue: 13,
    value: 14,
    code: "ERR_NAME_TOO_LONG",
    layer: 1,
    path: "directory/file",
  },
  componentBytes: {
    image: one(file("directory/file")),
    limitValue: 8,
    value: 9,
    code: "ERR_NAME_TOO_LONG",
    layer: 1,
    path: "directory/file",
    hint: UNHOLDABLE,
  },
  depth: {
    image: one(symlink("l", "a/b"), file("l/c/file")),
    limitValue: 2,
    value: 3,
    layer: 1,
    path: "l/c/file",
  },
  linkTargetBytes: {
    image: one(symlink("l", "target")),
    limitValue: 5,
    value: 6,
    code: "ERR_NAME_TOO_LONG",
    layer: 1,
    path: "l",
    hint: UNHOLDABLE,
  },
  symlinksFollowed: {
    image: one(symlink("a", "d"), symlink("b", "a"), file("b/file")),
    limitValue: 1,
    value: 2,
    code: "ERR_LINK_LOOP",
    layer: 1,
    path: "b/file",
  },
  entries: { image: one(file("a"), file("b")), limitValue: 1, value: 2, layer: 1, path: "b" },
  metadataBytes: {
    image: one(...Array.from({ length: 4096 }, (_, n) => file(`${n}`.padStart(90, "x")))),
    limitValue: 300_000,
    value: 4096 * (71 + 90),
    layer: 1,
  },
  xattrs: {
    image: one(
      paxEntry([
        [`${XATTR}a`, "1"],
        [`${XATTR}b`, "2"],
      ]),
      file("f"),
    ),
    limitValue: 1,
    value: 2,
    layer: 1,
    path: "f",
  },
  xattrNameBytes: {
    image: one(paxEntry([[`${XATTR}name`, "v"]]), file("f")),
    limitValue: 8,
    value: 9,
    layer: 1,
    path: "f",
  },
  xattrValueBytes: {
    image: one(paxEntry([[`${XATTR}a`, "value"]]), file("f")),
    limitValue: 4,
    value: 5,
    layer: 1,
    path: "f",
  },
  xattrTotalBytes: {
    image: one(paxEntry([[`${XATTR}a`, "value"]]), file("f")),
    limitValue: 10,
    value: 11,
    layer: 1,
    path: "f",
  },
  layerBytes: {
    image: one(file("f", "x".repeat(2000))),
    limitValue: 2000,
    value: 512 + 2048 + 1024,
    layer: 1,
  },
  imageBytes: {
    image: { layers: [layerOf([file("f", "x".repeat(3000))]), layerOf([file("g")])] },
    limitValue: 5000,
    value: 4608 + 1536,
    layer: 2,
  },
  expansionRatio: {
    image: {
      layers: [
        layerOf(
          [
            blockHeader({ name: "zeros", sizeBytes: 1040 * MIB }),
            ...Array.from({ length: 65 }, () => ZEROS),
          ],
          zstd,
        ),
      ],
    },
    limitValue: 256,
    value: expect.any(Number),
    layer: 1,
  },
  fileBytes: { image: one(file("f", "12345")), limitValue: 4, value: 5, layer: 1, path: "f" },
  hardLinks: {
    image: one(file("f", "x"), blockHeader({ name: "l", type: "1", link: "f" })),
    limitValue: 1,
    value: 2,
    layer: 1,
    path: "l",
  },
  sparseSegments: {
    image: one(...sparseFile(3)),
    limitValue: 2,
    value: 3,
    layer: 1,
    path: "sparse",
  },
  manifestBytes: {
    image: { ...one(file("f")), manifestPadding: 5000 },
    limitValue: 5000,
    value: expect.any(Number),
    code: "ERR_MANIFEST_INVALID",
  },
  configBytes: {
    image: { ...one(file("f")), configPadding: 5000 },
    limitValue: 5000,
    value: expect.any(Number),
    code: "ERR_MANIFEST_INVALID",
  },
  layers: { image: { ...one(file("f")), repeated: 3 }, limitValue: 2, value: 3 },
  zstdWindowBytes: {
    image: { layers: [layerOf([file("f")], zstdWithWindow(20))] },
    limitValue: 65_536,
    value: 2 ** 20,
    layer: 1,
  },
};

/** What an import does with an image, but for the threads and the files. @returns the names of its tree */
async function importHere(layout: string, changes: Partial<Limits>): Promise<number> {
  const limits = { ...DEFAULT_LIMITS, ...changes };
  const { signal } = new AbortController();
  const source = await openOciLayout(layout, { tag: "case" }, sourceOptions(limits));
  onTestFinished(() => source.close());
  const platform = { os: "linux", architecture: "amd64" };
  const image = await source.resolve({ platform, explicit: false }, signal);
  const totals = createImageTotals();
  const merge = createLayerMerge(limits, { reference: "test", layers: image.layers.length });
  for (const { index, descriptor, diffId } of image.layers) {
    const { digest, sizeBytes } = descriptor;
    const facts = { label: `layer ${index + 1}`, layer: index, limits };
    const batches: EntryBatch[] = [];
    const share = new DecodedShare(totals, facts);
    const decoder = createLayerDecoder({
      ...facts,
      digest,
      sizeBytes,
      diffId,
      bodies: NOWHERE,
      onBatch: (batch) => {
        holdBatch(totals, batch, facts);
        batches.push(batch);
      },
      onOutput: (soFar) => share.count(soFar),
    });
    const stream = await source.openLayer(descriptor, { signal, fresh: false });
    const chunk = new Uint8Array(MIB);
    for (let length = 1; length > 0;) {
      length = await stream.read(chunk);
      decoder.push(chunk.subarray(0, length));
    }
    decoder.finish();
    decoder.close();
    merge.addLayer(index, batches);
  }
  return merge.finish().entries;
}

const NOWHERE = { begin: noop, write: noop, skip: noop, end: () => 0 };
function noop(): void {
  // Bodies are not looked at.
}

function sourceOptions(limits: Limits): OpenSourceOptions {
  return {
    env: {},
    limits,
    plainHttp: false,
    insecure: false,
    concurrency: 1,
    userAgent: "test",
    onRetry: noop,
  };
}

test.each(Object.entries(ROWS))(
  "%s: what passes it is refused with all there is to know",
  async (name, row) => {
    const { image, limitValue, value, code = "ERR_LIMIT_EXCEEDED", layer, path, hint } = row;
    const layout = scratchDirectory();
    writeHostileLayout(layout, image);
    const error = await importErrorFrom(importHere(layout, { [name]: limitValue }));
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ limit: name, limitValue, value });
    expect([error.details["layer"], error.details["path"]]).toEqual([layer, path]);
    expect(error.hint).toMatch(hint ?? new RegExp(`--limit ${name}=VALUE`));
    expect(error.message).toContain(`${limitValue}`);
    // What is met is what the limit would have to be.
    if (typeof value !== "number") return;
    expect(await importHere(layout, { [name]: value })).toBeGreaterThan(0);
  },
);

test("no limit is without a test", () => {
  expect(Object.keys(ROWS).toSorted()).toEqual(Object.keys(DEFAULT_LIMITS).toSorted());
});

test("the command line moves a limit, and tells which flag does", async () => {
  const home = scratchDirectory();
  writeHostileLayout(join(home, "layout"), one(file("a"), file("b")));
  const importing = (limit: string) =>
    runTl(["import", `oci:${join(home, "layout")}:case`, "--limit", limit], { home });
  const refused = await importing("entries=1");
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain('"b" is entry 2 of its layer; the limit is 1');
  expect(refused.stderr).toContain("--limit entries=VALUE");
  expect(await importing("entries=2")).toMatchObject({ exitCode: 0 });
});

test("beyond the expansion ratio, all layers of an image have one gibibyte", () => {
  const totals = createImageTotals();
  const limits = { ...DEFAULT_LIMITS, expansionRatio: 10 };
  const share = (layer: number) =>
    new DecodedShare(totals, { label: `layer ${layer}`, layer, limits });
  const bomb = { compressedBytes: 10 * MIB, decodedBytes: 700 * MIB };
  const [first, second, honest] = [share(0), share(1), share(2)];
  first.count(bomb);
  honest.count({ compressedBytes: 900 * MIB, decodedBytes: 5000 * MIB });
  const error = importErrorOf(() => second.count(bomb));
  expect(error.details).toMatchObject({ limit: "expansionRatio", value: 70, limitValue: 10 });
  second.release();
  // What was given up counts no more; what was once beyond stays so, whatever comes after it.
  share(3).count({ compressedBytes: 10 * MIB, decodedBytes: 500 * MIB });
  first.count({ compressedBytes: 100 * MIB, decodedBytes: 700 * MIB });
  expect(importErrorOf(() => share(4).count(bomb)).code).toBe("ERR_LIMIT_EXCEEDED");
});
