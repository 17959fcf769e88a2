import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hasHoles, numberOf } from "../../../src/sink/body-ref.ts";
import { createDirectoryPlacer } from "../../../src/sink/directory/directory-placer.ts";
import type { BodyAttributes, DirectoryPlacerPlan } from "../../../src/sink/sink.ts";
import { importErrorOf } from "../../support/import-error.ts";

const ATTRIBUTES: BodyAttributes = {
  mode: 0o640,
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  mtimeSeconds: 1_700_000_000,
  mtimeNanoseconds: 7,
};
let plan: DirectoryPlacerPlan;
beforeEach(() => {
  const bodiesPath = mkdtempSync(join(tmpdir(), "rootlift-placer-"));
  plan = { kind: "directory", layer: 2, bodiesPath, firstBody: 2 ** 33, sameOwner: true };
});
afterEach(() => {
  rmSync(plan.bodiesPath, { recursive: true, force: true });
});

const pathOf = (body: number): string => join(plan.bodiesPath, String(numberOf(body)));

test("zeros that lie in chunks anyhow read back as zeros, and long runs take no space", () => {
  const placer = createDirectoryPlacer(plan);
  const piece = fc.record({
    zero: fc.boolean(),
    length: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 60_000, max: 300_000 })),
  });
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 400_000 }),
      (pieces, chunkLength) => {
        const content = Buffer.concat(
          pieces.map(({ zero, length }) => Buffer.alloc(length, zero ? 0 : 0xa5)),
        );
        placer.begin(content.length, ATTRIBUTES);
        for (let at = 0; at < content.length; at += chunkLength) {
          placer.write(content.subarray(at, at + chunkLength));
        }
        const body = placer.end();
        expect(readFileSync(pathOf(body)).equals(content)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
  placer.begin(10 << 20, ATTRIBUTES);
  placer.write(Buffer.alloc(10 << 20));
  const body = placer.end();
  placer.close();
  expect(hasHoles(body)).toBe(true);
  expect(statSync(pathOf(body))).toMatchObject({ size: 10 << 20, blocks: 0 });
});

test("an empty chunk after a hole changes nothing", () => {
  const placer = createDirectoryPlacer(plan);
  placer.begin(100_000, ATTRIBUTES);
  placer.skip(100_000);
  placer.write(new Uint8Array(0));
  placer.skip(0);
  const body = placer.end();
  placer.close();
  expect(readFileSync(pathOf(body)).equals(Buffer.alloc(100_000))).toBe(true);
});

test("mode and time are the entry's at once, whatever the umask takes", () => {
  const placer = createDirectoryPlacer(plan);
  const modes = [0o644, 0o666, 0o777, 0o000, 0o4711];
  const bodies = modes.map((mode) => {
    // What is borrowed may change before the end.
    const attributes = { ...ATTRIBUTES, mode };
    placer.begin(1, attributes);
    attributes.mode = 0;
    placer.write(Buffer.from("x"));
    return placer.end();
  });
  placer.close();
  const stats = bodies.map((body) => statSync(pathOf(body), { bigint: true }));
  expect(stats.map(({ mode }) => Number(mode) & 0o7777)).toEqual(modes);
  expect(stats.map(({ mtimeNs }) => mtimeNs)).toEqual(modes.map(() => 1_700_000_000_000_000_007n));
});

test("a body in the middle is let go of at close, any number of times", () => {
  const placer = createDirectoryPlacer(plan);
  const before = readdirSync("/proc/self/fd").length;
  placer.begin(10, ATTRIBUTES);
  placer.write(Buffer.from("half"));
  placer.close();
  placer.close();
  // The directory and the file.
  expect(readdirSync("/proc/self/fd").length).toBe(before - 1);
});

test("a staging place that went away is an error that names it", () => {
  const placer = createDirectoryPlacer(plan);
  rmSync(plan.bodiesPath, { recursive: true });
  const error = importErrorOf(() => placer.begin(1, ATTRIBUTES));
  placer.close();
  expect(error.code).toBe("ERR_OUTPUT_IO");
  expect(error.message).toContain(plan.bodiesPath);
  expect(importErrorOf(() => createDirectoryPlacer(plan)).code).toBe("ERR_OUTPUT_IO");
  mkdirSync(plan.bodiesPath);
});
