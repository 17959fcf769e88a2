import { ImportError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../../src/limits.ts";
import { createLayerMerge } from "../../../src/rootfs/create-layer-merge.ts";
import { entry, entryBatch, type LayerEntry } from "../../support/layer-entries.ts";
import { Refused, referenceMerge } from "../../support/reference-merge.ts";
import { treeRows } from "../../support/tree-rows.ts";
import { demand, type FuzzTarget } from "../fuzz-target.ts";
import { mutateBytes } from "../mutate-bytes.ts";
import { Random } from "../random.ts";

const LIMITS: Limits = { ...DEFAULT_LIMITS, symlinksFollowed: 5, pathBytes: 9, hardLinks: 3 };
const MOST_BYTES = 240;
const TYPES: readonly LayerEntry["type"][] = [
  "file",
  "file",
  "directory",
  "directory",
  "symlink",
  "symlink",
  "symlink",
  "hardlink",
  "hardlink",
  "whiteout",
  "whiteout",
  "opaque",
  "fifo",
  "character",
  "block",
];
/** Few names and short paths: most entries meet another one. */
const NAMES = ["a", "b", "c"];
const STEPS = ["a", "b", "c", "..", ".", "d"];
const XATTRS: readonly LayerEntry["xattrs"][] = [
  {},
  {},
  { "user.k": "v" },
  { "user.k": "w", "security.l": "\0" },
];

/** Layers against the reference merge: the same tree, or refused with the same code. The bytes choose the entries. */
export const mergeTarget: FuzzTarget = {
  name: "merge",
  weight: 4,
  open: () => ({
    seeds: Array.from({ length: 40 }, (_, n) => new Random(n, "merge").bytes(10 + 4 * n)),
    mutate: (input, random, donor) =>
      mutateBytes(input, random, { donor, mostBytes: MOST_BYTES, changes: 4 }),
    run: runMerge,
  }),
};

function runMerge(input: Uint8Array): void {
  const drawn = layersOf(input);
  // Refusals end an image; without what is refused the others grow longer.
  const layers = input[0] === undefined || input[0] % 2 === 0 ? drawn : acceptedPart(drawn);
  let refusal: ImportError | undefined;
  const actual = outcome(() => {
    try {
      return merged(layers);
    } catch (error) {
      if (error instanceof ImportError) refusal = error;
      throw error;
    }
  });
  const expected = outcome(() => referenceMerge(layers, LIMITS));
  demand(
    actual === expected,
    `layers merge as the reference says:\n${expected}\nand not\n${actual}`,
  );
  if (refusal !== undefined) throw refusal;
}

function merged(layers: readonly (readonly LayerEntry[])[]): string[] {
  const merge = createLayerMerge(LIMITS, { reference: "fuzz", layers: layers.length });
  layers.forEach((entries, layer) => {
    const middle = entries.length >>> 1;
    const batches = [entries.slice(0, middle), entries.slice(middle)];
    merge.addLayer(layer, batches.map(entryBatch));
  });
  return treeRows(merge.finish());
}

function outcome(work: () => string[]): string {
  try {
    return work().join("\n");
  } catch (error) {
    if (error instanceof Refused || error instanceof ImportError) return error.code;
    throw error;
  }
}

function acceptedPart(layers: readonly (readonly LayerEntry[])[]): LayerEntry[][] {
  const kept: LayerEntry[][] = [];
  for (const entries of layers) {
    const layer: LayerEntry[] = [];
    kept.push(layer);
    for (const one of entries) {
      layer.push(one);
      if (outcome(() => referenceMerge(kept, LIMITS)).startsWith("ERR_")) layer.pop();
    }
  }
  return kept;
}

/** Reads entries out of bytes; any bytes are some. */
function layersOf(input: Uint8Array): LayerEntry[][] {
  let at = 1;
  const next = (count: number): number => (input[at++] ?? 0) % count;
  const path = (): string =>
    Array.from({ length: 1 + next(3) }, () => NAMES[next(NAMES.length)]).join("/");
  const target = (): string =>
    (next(3) === 0 ? "/" : "") +
    Array.from({ length: 1 + next(3) }, () => STEPS[next(STEPS.length)]).join("/");
  const layers: LayerEntry[][] = [[]];
  while (at < input.length) {
    const kind = next(TYPES.length + 2);
    const type = TYPES[kind];
    if (type === undefined) {
      if (kind === TYPES.length) layers.push([]);
      else layers.at(-1)?.push(entry(next(4) === 0 ? "file" : "directory", "", details(next)));
    } else {
      const link = type === "symlink" ? target() : type === "hardlink" ? path() : "";
      const place = type === "opaque" && next(4) === 0 ? "" : path();
      layers
        .at(-1)
        ?.push(
          entry(type, place, { ...details(next), link, ...(type === "file" ? bodyOf(next) : {}) }),
        );
    }
  }
  return layers;
}

function details(next: (count: number) => number): Partial<LayerEntry> {
  const choice = next(48);
  return {
    mode: [0o644, 0o755, 0o4711][choice % 3] ?? 0,
    uid: choice % 2 === 0 ? 0 : 7,
    mtimeSeconds: choice % 8 < 4 ? -1 : 1_500_000_000,
    mtimeNanoseconds: choice % 16 < 8 ? 0 : 5,
    xattrs: XATTRS[choice >>> 4] ?? {},
    major: 1,
    minor: 3,
  };
}

function bodyOf(next: (count: number) => number): Partial<LayerEntry> {
  const body = next(256);
  return { body, size: body + 1 };
}
