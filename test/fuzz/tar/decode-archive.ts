import { createHash } from "node:crypto";
import { ImportError } from "../../../src/errors.ts";
import { createLayerDecoder } from "../../../src/layer/create-layer-decoder.ts";
import { EntryType, type EntryBatch } from "../../../src/layer/entry-batch.ts";
import type { Limits } from "../../../src/limits.ts";
import { requireDigest } from "../../../src/oci/digest.ts";
import { decodeXattrs } from "../../../src/layer/xattr-list.ts";
import type { LayerEntry } from "../../support/layer-entries.ts";
import { demand, WrongResult } from "../fuzz-target.ts";
import { CountingBodies } from "./counting-bodies.ts";

export interface DecodedArchive {
  readonly batches: readonly EntryBatch[];
  readonly bodies: readonly string[];
}

/** Decodes an uncompressed layer, cut into pieces of these lengths in turn. @throws ImportError */
function decodeArchive(
  archive: Uint8Array,
  limits: Limits,
  cuts: readonly number[],
): DecodedArchive {
  const digest = requireDigest(
    `sha256:${createHash("sha256").update(archive).digest("hex")}`,
    "fuzz",
  );
  const bodies = new CountingBodies();
  const batches: EntryBatch[] = [];
  const decoder = createLayerDecoder({
    label: "layer 1 of 1 of fuzz",
    layer: 0,
    digest,
    sizeBytes: archive.length,
    diffId: digest,
    limits,
    bodies,
    onBatch: (batch) => batches.push(batch),
  });
  try {
    for (let at = 0, n = 0; at < archive.length; n++) {
      const length = cuts[n % cuts.length] ?? archive.length;
      // What is lent changes after the call.
      const lent = Uint8Array.from(archive.subarray(at, at + length));
      decoder.push(lent);
      lent.fill(0xaa);
      at += length;
    }
    decoder.finish();
  } finally {
    decoder.close();
  }
  return { batches, bodies: bodies.seen };
}

export function attemptDecode(
  archive: Uint8Array,
  limits: Limits,
  cuts: readonly number[],
): DecodedArchive | ImportError {
  try {
    return decodeArchive(archive, limits, cuts);
  } catch (error) {
    if (error instanceof ImportError) return error;
    throw error;
  }
}

/** What it came to, as text: equal whatever the cuts. */
export function textOf(decoded: DecodedArchive | ImportError): string {
  if (decoded instanceof ImportError) {
    return `${decoded.code} ${decoded.message} ${JSON.stringify(decoded.details)}`;
  }
  const columns = decoded.batches.map((batch) =>
    Object.values(batch).map((column) =>
      typeof column === "number"
        ? String(column)
        : latin1(new Uint8Array(column.buffer, column.byteOffset, column.byteLength)),
    ),
  );
  return [...columns.flat(), ...decoded.bodies].join("\n");
}

const TYPES: readonly LayerEntry["type"][] = [
  "file",
  "directory",
  "symlink",
  "hardlink",
  "character",
  "block",
  "fifo",
  "whiteout",
  "opaque",
];

function typeNamed(number: number | undefined): LayerEntry["type"] {
  const name = TYPES[number ?? -1];
  if (name === undefined || EntryType[name] !== number)
    throw new WrongResult("an entry of no type");
  return name;
}

/** The entries as the reference merge takes them; watches what a batch promises about its paths. */
export function entriesOf(batches: readonly EntryBatch[], limits: Limits): LayerEntry[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, n) => {
      const part = (offsets: Uint32Array, lengths: Uint32Array): Buffer => {
        const [at = 0, length = 0] = [offsets[n], lengths[n]];
        demand(at + length <= batch.bytes.length, "a part lies inside its batch");
        return Buffer.from(batch.bytes.subarray(at, at + length));
      };
      const type = typeNamed(batch.types[n]);
      const path = part(batch.pathOffsets, batch.pathLengths).toString("latin1");
      const link = part(batch.linkOffsets, batch.linkLengths).toString("latin1");
      demandClean(path, limits);
      if (type === "hardlink") demandClean(link, limits);
      if (type === "symlink") demand(link !== "" && !link.includes("\0"), "a symlink has a target");
      const xattrs = decodeXattrs(part(batch.xattrOffsets, batch.xattrLengths));
      return {
        type,
        path,
        link,
        mode: numberIn(batch.modes, n, 0o7777),
        uid: numberIn(batch.uids, n, 2 ** 32 - 2),
        gid: numberIn(batch.gids, n, 2 ** 32 - 2),
        mtimeSeconds: batch.mtimeSeconds[n] ?? NaN,
        mtimeNanoseconds: numberIn(batch.mtimeNanoseconds, n, 999_999_999),
        size: numberIn(batch.sizes, n, limits.fileBytes),
        body: batch.bodies[n] ?? NaN,
        major: numberIn(batch.deviceMajors, n, 4095),
        minor: numberIn(batch.deviceMinors, n, 1_048_575),
        xattrs: Object.fromEntries(xattrs.map(({ name, value }) => [latin1(name), latin1(value)])),
      };
    }),
  );
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

function numberIn(column: ArrayLike<number>, n: number, most: number): number {
  const value = column[n] ?? NaN;
  demand(value >= 0 && value <= most, "a number of an entry is in its range");
  return value;
}

function demandClean(path: string, limits: Limits): void {
  demand(path.length <= limits.pathBytes, "a path keeps to its limit");
  for (const part of path === "" ? [] : path.split("/")) {
    demand(part !== "" && part !== "." && part !== ".." && !part.includes("\0"), "a path is clean");
    demand(part.length <= limits.componentBytes, "a component keeps to its limit");
  }
}
