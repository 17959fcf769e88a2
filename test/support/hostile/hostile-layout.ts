import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

/** How an archive is stored: pieces of the archive in, stored bytes out. */
export type Encoding = (pieces: Iterable<Uint8Array>) => Iterable<Uint8Array>;

export interface HostileLayer {
  /** The archive, without its end marker. */
  readonly pieces: () => Iterable<Uint8Array>;
  readonly encoding: Encoding;
}

export interface HostileImage {
  readonly layers: readonly HostileLayer[];
  /** How often the whole list of layers stands in manifest and config; default once. */
  readonly repeated?: number;
  /** Blanks at the end of these documents, bytes: JSON allows any number. */
  readonly manifestPadding?: number;
  readonly configPadding?: number;
}

export interface WrittenImage {
  readonly storedBytes: number;
  readonly archiveBytes: number;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const OCI = "application/vnd.oci.image";
const END = Buffer.alloc(1024);

/**
 * Writes an OCI layout of one image, tag `case`, piece by piece: what comes out may be larger than any memory. A layer
 * is whatever its encoding makes of it; the media type says gzip, as labels in the field do.
 */
export function writeHostileLayout(path: string, image: HostileImage): WrittenImage {
  const blobs = join(path, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const written = image.layers.map((layer) => writeLayer(blobs, layer));
  const times = image.repeated ?? 1;
  const all = Array.from({ length: times }, () => written).flat();
  const put = (mediaType: string, value: unknown, padding = 0): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value) + " ".repeat(padding));
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const rootfs = { type: "layers", diff_ids: all.map(({ diffId }) => diffId) };
  const config = put(
    `${OCI}.config.v1+json`,
    { architecture: "amd64", os: "linux", config: {}, rootfs },
    image.configPadding,
  );
  const mediaType = `${OCI}.manifest.v1+json`;
  const layers = all.map(({ descriptor }) => descriptor);
  const document = { schemaVersion: 2, mediaType, config, layers };
  const manifest = put(mediaType, document, image.manifestPadding);
  const annotations = { "org.opencontainers.image.ref.name": "case" };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(path, "index.json"), JSON.stringify(index));
  const sum = (of: (layer: WrittenLayer) => number): number =>
    all.reduce((total, layer) => total + of(layer), 0);
  return {
    storedBytes: sum(({ descriptor }) => descriptor.size),
    archiveBytes: sum(({ archiveBytes }) => archiveBytes),
  };
}

interface WrittenLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly archiveBytes: number;
}

function writeLayer(blobs: string, { pieces, encoding }: HostileLayer): WrittenLayer {
  const part = join(blobs, "part");
  const [archive, stored] = [createHash("sha256"), createHash("sha256")];
  let [archiveBytes, storedBytes] = [0, 0];
  function* hashed(): Generator<Uint8Array> {
    for (const piece of withEnd(pieces())) {
      archive.update(piece);
      archiveBytes += piece.length;
      yield piece;
    }
  }
  const fd = openSync(part, "w");
  try {
    for (const bytes of encoding(hashed())) {
      stored.update(bytes);
      storedBytes += bytes.length;
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    }
  } finally {
    closeSync(fd);
  }
  const hex = stored.digest("hex");
  renameSync(part, join(blobs, hex));
  const mediaType = `${OCI}.layer.v1.tar+gzip`;
  return {
    descriptor: { mediaType, digest: `sha256:${hex}`, size: storedBytes },
    diffId: `sha256:${archive.digest("hex")}`,
    archiveBytes,
  };
}

function* withEnd(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield* pieces;
  yield END;
}

export const plain: Encoding = (pieces) => pieces;

/** A member a piece; a piece that comes again is compressed once. */
export const gzip: Encoding = (pieces) => mapped(pieces, (piece) => gzipSync(piece, { level: 6 }));

/** A frame a piece. */
export const zstd: Encoding = (pieces) => mapped(pieces, (piece) => zstdCompressSync(piece));

function* mapped(
  pieces: Iterable<Uint8Array>,
  encode: (piece: Uint8Array) => Uint8Array,
): Generator<Uint8Array> {
  let last: { readonly piece: Uint8Array; readonly encoded: Uint8Array } | undefined;
  for (const piece of pieces) {
    if (last?.piece !== piece) last = { piece, encoded: encode(piece) };
    yield last.encoded;
  }
}

/** Empty members before the archive, and as many after it. */
export function amongEmptyMembers(count: number): Encoding {
  const many = Buffer.concat(Array.from({ length: 1000 }, () => gzipSync(Buffer.alloc(0))));
  return function* encode(pieces) {
    for (let at = 0; at < count; at += 1000) yield many;
    yield* gzip(pieces);
    for (let at = 0; at < count; at += 1000) yield many;
  };
}

/** One zstd frame of raw blocks (RFC 8878 §3.1.1) that asks for a window of `2 ** exponent` bytes. */
export function zstdWithWindow(exponent: number): Encoding {
  return function* encode(pieces) {
    yield Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (exponent - 10) << 3]);
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += 65_536) {
        const block = piece.subarray(at, at + 65_536);
        yield blockHeader(block.length, false);
        yield block;
      }
    }
    yield blockHeader(0, true);
  };
}

function blockHeader(bytes: number, last: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((bytes << 3) | (last ? 1 : 0), 0, 3);
  return header;
}
