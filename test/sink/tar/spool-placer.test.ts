import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { S_IFREG } from "../../../src/rootfs/rootfs-tree.ts";
import { TreeBuilder } from "../../../src/rootfs/tree-builder.ts";
import {
  isMapped,
  MOST_PLANS,
  MOST_SPOOL_BYTES,
  spoolBody,
  spoolOffsetOf,
  spoolPath,
  spoolPlanOf,
} from "../../../src/sink/tar/spool-body.ts";
import { createSpoolPlacer } from "../../../src/sink/tar/spool-placer.ts";
import { SpoolReader } from "../../../src/sink/tar/spool-reader.ts";
import { createTarSink } from "../../../src/sink/tar/tar-sink.ts";
import { importErrorOf } from "../../support/import-error.ts";
import { joinPieces } from "../../support/memory-reader.ts";
import { scratchDirectory } from "../../support/scratch.ts";

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };

test("a body's plan, place and holes come back from one number below 2^53", () => {
  fc.assert(
    fc.property(
      fc.nat(MOST_PLANS - 1),
      fc.integer({ min: 0, max: MOST_SPOOL_BYTES - 1 }),
      fc.boolean(),
      (plan, offset, holes) => {
        const body = spoolBody(plan, offset, holes);
        expect(Number.isSafeInteger(body)).toBe(true);
        expect([spoolPlanOf(body), spoolOffsetOf(body), isMapped(body)]).toEqual([
          plan,
          offset,
          holes,
        ]);
      },
    ),
  );
});

/** A part of a body: bytes that are given, zeros that are given, or a hole. */
const part = fc.record({
  kind: fc.constantFrom("data", "zeros", "hole"),
  length: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 60_000, max: 400_000 })),
});

test("bodies of data, zeros and holes are read as they were placed, in any order", () => {
  const place = scratchDirectory();
  let run = 0;
  fc.assert(
    fc.property(
      fc.array(fc.array(part, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 1_500_000 }),
      (files, chunkBytes) => {
        const bodiesPath = join(place, String((run += 1)));
        mkdirSync(bodiesPath);
        const spool = spoolPath(bodiesPath, 3);
        const placer = createSpoolPlacer({ kind: "spool", layer: 0, plan: 3, spoolPath: spool });
        const builder = new TreeBuilder();
        const contents = files.map((parts) => {
          const pieces = parts.map(({ kind, length }) =>
            Buffer.alloc(length, kind === "data" ? 7 : 0),
          );
          const content = Buffer.concat(pieces);
          placer.begin(content.length, ATTRIBUTES);
          for (const [index, { kind, length }] of parts.entries()) {
            if (kind === "hole") placer.skip(length);
            else
              for (let at = 0; at < length; at += chunkBytes) {
                placer.write(pieces[index]?.subarray(at, at + chunkBytes) ?? content);
              }
          }
          const facts = { mode: S_IFREG, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
          const body = placer.end();
          return {
            content,
            inode: builder.addInode({ ...facts, xattrs: [], size: content.length, body }),
          };
        });
        placer.finish();
        placer.close();
        const reader = new SpoolReader(builder.finish(), bodiesPath);
        for (const { content, inode } of contents.toReversed()) {
          expect(joinPieces(reader.contents(inode)).equals(content)).toBe(true);
        }
        reader.close();
      },
    ),
    { numRuns: 40 },
  );
});

test("holes and long zeros take no room in the spool", () => {
  const spool = join(scratchDirectory(), "0");
  const placer = createSpoolPlacer({ kind: "spool", layer: 0, plan: 0, spoolPath: spool });
  placer.begin(2 ** 40 + (10 << 20), ATTRIBUTES);
  placer.skip(2 ** 40);
  placer.write(Buffer.alloc(10 << 20));
  expect(isMapped(placer.end())).toBe(true);
  placer.finish();
  placer.close();
  expect(statSync(spool).size).toBeLessThan(100);
});

test("a spool that is there, and a place that is not, are errors", () => {
  const place = scratchDirectory();
  const plan = { kind: "spool", layer: 0, plan: 0, spoolPath: join(place, "0") } as const;
  createSpoolPlacer(plan).close();
  expect(importErrorOf(() => createSpoolPlacer(plan)).code).toBe("ERR_OUTPUT_IO");
  const away = { ...plan, spoolPath: join(place, "no", "0") };
  expect(importErrorOf(() => createSpoolPlacer(away)).message).toContain(away.spoolPath);
});

test("more plans than a reference can tell apart are refused", async () => {
  const sink = createTarSink({ rootfsPath: join(scratchDirectory(), "rootfs.tar") });
  await sink.prepare();
  for (let plan = 0; plan < MOST_PLANS; plan++) sink.placerPlan(0);
  expect(importErrorOf(() => sink.placerPlan(0)).code).toBe("ERR_LIMIT_EXCEEDED");
  await sink.abort();
});
