import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/limits.ts";
import { createLayerMerge } from "../../src/rootfs/create-layer-merge.ts";
import { entry, entryBatch, type LayerEntry } from "../support/layer-entries.ts";
import { Refused, referenceMerge } from "../support/reference-merge.ts";
import { treeRows } from "../support/tree-rows.ts";

// Few names and short paths: most entries meet another one.
const component = fc.constantFrom("a", "b", "c");
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const target = fc
  .tuple(
    fc.constantFrom("", "", "/"),
    fc.array(fc.constantFrom("a", "b", "c", "..", ".", "d"), { minLength: 1, maxLength: 3 }),
  )
  .map(([slash, parts]) => slash + parts.join("/"));

const attributes = fc.record({
  mode: fc.constantFrom(0o644, 0o755, 0o4711),
  uid: fc.constantFrom(0, 7),
  gid: fc.constantFrom(0, 8),
  mtimeSeconds: fc.constantFrom(-1, 1_500_000_000),
  mtimeNanoseconds: fc.constantFrom(0, 5),
  xattrs: fc.constantFrom<Record<string, string>>(
    {},
    {},
    { "user.k": "v" },
    { "user.k": "w", "user.l": "\0" },
  ),
});
const body = fc.nat({ max: 1000 });

const anyEntry: fc.Arbitrary<LayerEntry> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(path, body, attributes)
      .map(([p, b, a]) => entry("file", p, { ...a, body: b, size: b + 1 })),
  },
  { weight: 5, arbitrary: fc.tuple(path, attributes).map(([p, a]) => entry("directory", p, a)) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(path, target, attributes)
      .map(([p, link, a]) => entry("symlink", p, { ...a, link })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(path, path, attributes)
      .map(([p, link, a]) => entry("hardlink", p, { ...a, link })),
  },
  { weight: 4, arbitrary: path.map((p) => entry("whiteout", p)) },
  { weight: 3, arbitrary: fc.oneof(path, fc.constant("")).map((p) => entry("opaque", p)) },
  { weight: 1, arbitrary: fc.tuple(path, attributes).map(([p, a]) => entry("fifo", p, a)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("character" as const, "block" as const), path, attributes)
      .map(([type, p, a]) => entry(type, p, { ...a, major: 1, minor: 3 })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("directory" as const, "file" as const), attributes)
      .map(([type, a]) => entry(type, "", a)),
  },
);

const image = fc.array(fc.array(anyEntry, { maxLength: 8 }), { minLength: 1, maxLength: 4 });

function merged(layers: readonly (readonly LayerEntry[])[], limits: Limits): string[] {
  const merge = createLayerMerge(limits, { reference: "test", layers: layers.length });
  layers.forEach((entries, layer) => {
    // Two batches, so that numbers run over their border.
    const middle = entries.length >>> 1;
    merge.addLayer(layer, [
      entryBatch(entries.slice(0, middle)),
      entryBatch(entries.slice(middle)),
    ]);
  });
  return treeRows(merge.finish());
}

/** The rows, or the code of what refused them. */
function outcome(work: () => string[]): string[] | string {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refused || error instanceof ImportError) return error.code;
    throw error;
  }
}

/** Leaves out what is refused, as long as something is: without it the longer images would hardly ever be accepted. */
function acceptedPart(layers: readonly (readonly LayerEntry[])[], limits: Limits): LayerEntry[][] {
  const kept: LayerEntry[][] = [];
  for (const entries of layers) {
    kept.push([]);
    for (const one of entries) {
      const layer = kept.at(-1) ?? [];
      layer.push(one);
      if (typeof outcome(() => referenceMerge(kept, limits)) === "string") layer.pop();
    }
  }
  return kept;
}

const limits: Limits = { ...DEFAULT_LIMITS, symlinksFollowed: 5, pathBytes: 9, hardLinks: 3 };

test("any layers merge to the tree of the reference model, or are refused with its code", () => {
  fc.assert(
    fc.property(image, (layers) => {
      expect(outcome(() => merged(layers, limits))).toEqual(
        outcome(() => referenceMerge(layers, limits)),
      );
    }),
    { numRuns: 2000 },
  );
});

test("layers without what would be refused merge to the tree of the reference model", () => {
  fc.assert(
    fc.property(image, (layers) => {
      const accepted = acceptedPart(layers, limits);
      expect(merged(accepted, limits)).toEqual(referenceMerge(accepted, limits));
    }),
    { numRuns: 500 },
  );
});
