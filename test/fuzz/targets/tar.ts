import { crc32 } from "node:zlib";
import { ImportError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../../src/limits.ts";
import { createLayerMerge } from "../../../src/rootfs/create-layer-merge.ts";
import { Refused, referenceMerge } from "../../support/reference-merge.ts";
import { treeRows } from "../../support/tree-rows.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { archiveSeeds, mentions } from "../tar/archive-seeds.ts";
import { attemptDecode, entriesOf, textOf, type DecodedArchive } from "../tar/decode-archive.ts";
import { mutateTar } from "../tar/mutate-tar.ts";

/** So small that hostile inputs of some kilobytes reach every one of them. */
const SMALL: Limits = {
  ...DEFAULT_LIMITS,
  extensionHeaderBytes: 1024,
  extensionHeaders: 3,
  pathBytes: 60,
  componentBytes: 20,
  linkTargetBytes: 40,
  symlinksFollowed: 3,
  entries: 12,
  metadataBytes: 1000,
  xattrs: 2,
  xattrNameBytes: 24,
  xattrValueBytes: 40,
  xattrTotalBytes: 80,
  layerBytes: 16_384,
  fileBytes: 8192,
  hardLinks: 3,
  sparseSegments: 5,
};
/** A byte at a time costs too much. */
const CUTS = [[3], [512], [511, 2], [100, 1, 700], [1536, 3], [7]] as const;
/** The reference is slow on purpose. */
const MOST_COMPARED = 60;

/** Whole archives through the decoder of uncompressed layers, cut in two ways, and the entries through the merge. */
export const tarTarget: FuzzTarget = {
  name: "tar",
  weight: 4,
  open: () => openTar(archiveSeeds()),
};

/** The same with archives of sparse files. */
export const sparseTarget: FuzzTarget = {
  name: "sparse",
  weight: 2,
  open: () => openTar(archiveSeeds((layer) => mentions(layer, /sparse/i))),
};

function openTar(seeds: readonly Uint8Array[]): OpenTarget {
  return { seeds, mutate: mutateTar, run: runTar };
}

function runTar(archive: Uint8Array): void {
  const hash = crc32(archive);
  const limits = hash % 4 === 0 ? SMALL : DEFAULT_LIMITS;
  const cuts = CUTS[(hash >>> 8) % CUTS.length] ?? [3];
  const whole = attemptDecode(archive, limits, [archive.length]);
  const inPieces = attemptDecode(archive, limits, cuts);
  // Bytes are counted before they are read: a long piece meets this limit before what is wrong inside it.
  const same =
    textOf(whole) === textOf(inPieces) || (isTooLong(whole) && inPieces instanceof ImportError);
  demand(same, `a layer in pieces of ${cuts.join()} bytes is the layer`);
  if (whole instanceof ImportError) throw whole;
  const { batches } = whole;
  const entries = entriesOf(batches, limits);
  const layers = [batches, batches];
  const merged = (): string[] => {
    const merge = createLayerMerge(limits, { reference: "fuzz", layers: layers.length });
    layers.forEach((one, layer) => merge.addLayer(layer, one));
    return treeRows(merge.finish());
  };
  if (entries.length > MOST_COMPARED || limits === SMALL) {
    merged();
    return;
  }
  // Twice the same layer: the second one meets everything that the first has made.
  const expected = rowsOrCode(() => referenceMerge([entries, entries], limits));
  const actual = rowsOrCode(merged);
  demand(
    actual.join("\n") === expected.join("\n"),
    `the merged tree is that of the reference:\n${missingIn(actual, expected)}\nand not\n${missingIn(expected, actual)}`,
  );
  merged();
}

function isTooLong(decoded: DecodedArchive | ImportError): boolean {
  return decoded instanceof ImportError && decoded.details["limit"] === "layerBytes";
}

function missingIn(some: readonly string[], rows: readonly string[]): string {
  return rows.filter((row) => !some.includes(row)).join("\n");
}

function rowsOrCode(merge: () => string[]): string[] {
  try {
    return merge();
  } catch (error) {
    if (error instanceof Refused || error instanceof ImportError) return [error.code];
    throw error;
  }
}
