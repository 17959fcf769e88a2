import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestText } from "../support/digest-text.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { Misbehaviour } from "../support/test-registry/faults.ts";
import type { TestImage, TestLayer } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

let registry: TestRegistry;
let base: TestLayer;
let upper: TestLayer;

beforeAll(async () => {
  registry = await startTestRegistry();
  // Text that deflate cannot shrink to nothing, so that there are bytes to damage in the middle.
  const noise = Array.from({ length: 20_000 }, (_, n) => (n * 2_654_435_761) % 2 ** 32).join(" ");
  base = await makeLayer([fileEntry("a", noise)]);
  upper = await makeLayer([fileEntry("b", noise.split("").toReversed().join(""))]);
  await registry.addImage("team/app", "1", { layers: [base, upper] });
});
afterAll(() => registry.close());

/** Imports and expects a refusal that leaves no trace: no snapshot, no row, no stray file, nothing at the output. */
async function refusedWithoutTrace(reference: string): Promise<string> {
  const home = scratchDirectory();
  const place = scratchDirectory();
  const output = join(place, "rootfs");
  const run = await runTl(["import", reference, "--output", output], { home });
  expect(run).toMatchObject({ exitCode: 1, stdout: "" });
  expect(existsSync(output)).toBe(false);
  expect(readdirSync(place)).toEqual([]);
  expect(storeListing(home)).toEqual({ snapshots: [], ingests: [], other: [] });
  expect((await runTl(["ls", "--json"], { home })).stdout).toBe("[]\n");
  return run.stderr;
}

test.each<readonly [string, Misbehaviour, string]>([
  ["a flipped byte", { kind: "flip", atByte: 5000 }, "ERR_DIGEST_MISMATCH"],
  ["a truncated blob", { kind: "truncate", toBytes: 7000 }, "ERR_SIZE_MISMATCH"],
  ["a blob that is too long", { kind: "append", bytes: 100 }, "ERR_SIZE_MISMATCH"],
  ["a missing blob", { kind: "missing" }, "ERR_IMAGE_NOT_FOUND"],
])("%s is refused, naming the layer, and leaves nothing", async (_what, fault, code) => {
  const digest = digestText(upper.bytes);
  registry.faults.add({ on: "blob", digest, ...fault });
  try {
    const stderr = await refusedWithoutTrace(`${registry.host}/team/app:1`);
    expect(stderr).toContain(code);
    // The layer, by its place or by its digest.
    expect(stderr).toMatch(new RegExp(`layer 2 of 2|${digest.slice(0, 19)}`));
  } finally {
    registry.faults.clear();
  }
});

test("a byte flipped once is fetched again, and the import succeeds", async () => {
  registry.faults.add({
    on: "blob",
    digest: digestText(upper.bytes),
    kind: "flip",
    atByte: 5000,
    times: 1,
  });
  const home = scratchDirectory();
  const run = await runTl(["import", `${registry.host}/team/app:1`], { home });
  registry.faults.clear();
  expect(run.exitCode).toBe(0);
});

test.each<readonly [string, (image: TestImage) => TestImage, string]>([
  [
    "a diffId of other content",
    ({ layers }) => ({
      layers: [base, { ...upper, diffId: digestText(Buffer.from("other")) }, ...layers.slice(2)],
    }),
    "ERR_DIFF_ID_MISMATCH",
  ],
])("%s is refused, naming the layer, and leaves nothing", async (_what, change, code) => {
  await registry.addImage("team/wrong", "1", change({ layers: [base, upper] }));
  const stderr = await refusedWithoutTrace(`${registry.host}/team/wrong:1`);
  expect(stderr).toContain(code);
  expect(stderr).toContain("layer 2 of 2");
});

test("a descriptor whose size is not the blob's is refused, naming the layer, and leaves nothing", async () => {
  const image = { layers: [base, upper] };
  await registry.addImage("team/size", "right", image);
  for (const difference of [-1, 1]) {
    const { encodeImage } = await import("../support/test-registry/test-image.ts");
    const { manifestBytes, mediaType } = encodeImage(image);
    const wrong = Buffer.from(
      Buffer.from(manifestBytes)
        .toString()
        .replace(`"size":${upper.bytes.length}`, `"size":${upper.bytes.length + difference}`),
    );
    registry.addManifest("team/size", "wrong", wrong, mediaType);
    const stderr = await refusedWithoutTrace(`${registry.host}/team/size:wrong`);
    expect(stderr).toContain("ERR_SIZE_MISMATCH");
    expect(stderr).toMatch(new RegExp(`layer 2 of 2|${digestText(upper.bytes).slice(0, 19)}`));
  }
});

test("a connection that breaks in mid-layer is resumed with a Range request, and nothing is decoded twice", async () => {
  const digest = digestText(upper.bytes);
  registry.faults.add({ on: "blob", digest, kind: "reset", afterBytes: 6000, times: 1 });
  const home = scratchDirectory();
  const output = join(scratchDirectory(), "rootfs");
  const before = registry.requests.length;
  const run = await runTl(["import", `${registry.host}/team/app:1`, "--output", output], { home });
  registry.faults.clear();
  expect(run.exitCode).toBe(0);
  const ranges = registry.requests
    .slice(before)
    .filter(({ path }) => path.includes(digest))
    .map(({ range }) => range);
  expect(ranges).toHaveLength(2);
  expect(ranges[0]).toBeUndefined();
  expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
});
