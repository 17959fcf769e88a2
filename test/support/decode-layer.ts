import { gzipSync } from "node:zlib";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { EntryType, NO_BODY } from "../../src/layer/entry-batch.ts";
import { createLayerDecoder } from "../../src/layer/create-layer-decoder.ts";
import { decodeXattrs } from "../../src/layer/xattr-list.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import { digestText } from "./digest-text.ts";
import { tarArchive } from "./case-kit/case-archive.ts";
import type { BodyTarget, LayerSummary } from "../../src/layer/layer-decoder.ts";
import type { Digest } from "../../src/oci/digest.ts";
import type { EntryBatch } from "../../src/layer/entry-batch.ts";
import type { JsonObject } from "./case-kit/case-json.ts";
import type { Limits } from "../../src/limits.ts";

/** One entry of a batch, spelled out. Names are latin1, so that any bytes show and compare. */
export interface DecodedEntry {
  readonly type: string;
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: readonly [seconds: number, nanoseconds: number];
  readonly size: number;
  readonly device: readonly [major: number, minor: number];
  readonly link: string;
  readonly xattrs: Readonly<Record<string, string>>;
  /** The body with its holes filled; "" for none. */
  readonly body: string;
}

export interface DecodedLayer {
  readonly entries: readonly DecodedEntry[];
  readonly batches: readonly EntryBatch[];
  readonly summary: LayerSummary;
}

export interface DecodeOptions {
  readonly limits?: Partial<Limits>;
  /** Lengths of the pushes, the last one repeated; default all at once. */
  readonly pushes?: readonly number[];
  readonly diffId?: Digest;
  readonly digest?: Digest;
  readonly sizeBytes?: number;
}

/** An archive of entries as the case files write them, hostile ones too. */
export function archive(entries: readonly JsonObject[], tail: JsonObject = {}): Buffer {
  return tarArchive({ entries, tail }, { canaryPath: "/canary" });
}

/** The entries of an uncompressed layer. */
export function decodeEntries(
  entries: readonly JsonObject[],
  limits: Partial<Limits> = {},
): readonly DecodedEntry[] {
  const tar = archive(entries);
  return decodeLayer(tar, tar, { limits }).entries;
}

export function sha256(bytes: Uint8Array): Digest {
  return requireDigest(digestText(bytes), "test");
}

/** Keeps bodies in memory, checking the contract of `BodyTarget` as it goes. */
class BodyRecorder implements BodyTarget {
  readonly bodies: Buffer[] = [];
  #parts: Buffer[] | undefined;
  #size = 0;

  begin(sizeBytes: number): void {
    if (this.#parts !== undefined) throw new Error("begin inside a body");
    if (!(sizeBytes > 0)) throw new Error(`a body of ${sizeBytes} bytes`);
    this.#parts = [];
    this.#size = sizeBytes;
  }

  write(chunk: Uint8Array): void {
    this.#parts?.push(Buffer.from(chunk));
  }

  skip(sizeBytes: number): void {
    this.#parts?.push(Buffer.alloc(sizeBytes));
  }

  end(): number {
    const body = Buffer.concat(this.#parts ?? []);
    this.#parts = undefined;
    if (body.length !== this.#size) throw new Error(`${body.length} bytes, not ${this.#size}`);
    return this.bodies.push(body) - 1;
  }
}

/** @param tar the plain archive, from which the diff_id is taken; `blob` is the layer as it is stored */
export function decodeLayer(
  tar: Uint8Array,
  blob: Uint8Array = gzipSync(tar, { level: 1 }),
  options: DecodeOptions = {},
): DecodedLayer {
  const bodies = new BodyRecorder();
  const batches: EntryBatch[] = [];
  const decoder = createLayerDecoder({
    label: "layer 1 of 1 of test",
    layer: 0,
    digest: options.digest ?? sha256(blob),
    sizeBytes: options.sizeBytes ?? blob.length,
    diffId: options.diffId ?? sha256(tar),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    bodies,
    onBatch: (batch) => batches.push(batch),
  });
  try {
    for (const chunk of cut(blob, options.pushes ?? [blob.length])) {
      // The decoder must not keep what it was lent.
      const lent = Buffer.from(chunk);
      decoder.push(lent);
      lent.fill(0xaa);
    }
    const summary = decoder.finish();
    return { entries: batches.flatMap((batch) => spellOut(batch, bodies)), batches, summary };
  } finally {
    decoder.close();
  }
}

function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const length = Math.max(1, lengths[Math.min(n, lengths.length - 1)] ?? bytes.length);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

const TYPE_NAMES = new Map<number, string>(
  Object.entries(EntryType).map(([name, number]) => [number, name]),
);

function spellOut(batch: EntryBatch, { bodies }: BodyRecorder): DecodedEntry[] {
  const slice = (offsets: Uint32Array, lengths: Uint32Array, n: number): Buffer => {
    const at = offsets[n] ?? 0;
    return Buffer.from(batch.bytes.subarray(at, at + (lengths[n] ?? 0)));
  };
  return Array.from({ length: batch.count }, (_, n) => {
    const xattrs = decodeXattrs(slice(batch.xattrOffsets, batch.xattrLengths, n));
    const body = batch.bodies[n] ?? NO_BODY;
    return {
      type: TYPE_NAMES.get(batch.types[n] ?? -1) ?? "none",
      path: slice(batch.pathOffsets, batch.pathLengths, n).toString("latin1"),
      mode: batch.modes[n] ?? -1,
      uid: batch.uids[n] ?? -1,
      gid: batch.gids[n] ?? -1,
      mtime: [batch.mtimeSeconds[n] ?? -1, batch.mtimeNanoseconds[n] ?? -1],
      size: batch.sizes[n] ?? -1,
      device: [batch.deviceMajors[n] ?? -1, batch.deviceMinors[n] ?? -1],
      link: slice(batch.linkOffsets, batch.linkLengths, n).toString("latin1"),
      xattrs: Object.fromEntries(
        xattrs.map(({ name, value }) => [
          Buffer.from(name).toString("latin1"),
          Buffer.from(value).toString("latin1"),
        ]),
      ),
      body: body === NO_BODY ? "" : (bodies[body]?.toString("latin1") ?? "missing"),
    };
  });
}
