import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

export interface StreamedLayer {
  readonly compression: "gzip" | "none";
  /** The archive, without its end marker. */
  readonly chunks: Iterable<Uint8Array>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const BLOCK = 512;
const OCI = "application/vnd.oci.image";

/** Writes an OCI layout of one image, tag `case`, whose layers may be too large to be held in memory. */
export async function writeStreamedLayout(
  path: string,
  layers: readonly StreamedLayer[],
): Promise<void> {
  const blobs = join(path, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const descriptors: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const layer of layers) {
    const { descriptor, diffId } = await writeLayer(blobs, layer);
    descriptors.push(descriptor);
    diffIds.push(diffId);
  }
  const put = (mediaType: string, value: unknown): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const config = put(`${OCI}.config.v1+json`, {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const mediaType = `${OCI}.manifest.v1+json`;
  const manifest = put(mediaType, { schemaVersion: 2, mediaType, config, layers: descriptors });
  const annotations = { "org.opencontainers.image.ref.name": "case" };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(path, "index.json"), JSON.stringify(index));
}

async function writeLayer(
  blobs: string,
  { compression, chunks }: StreamedLayer,
): Promise<{ readonly descriptor: Descriptor; readonly diffId: string }> {
  const part = join(blobs, "part");
  const [archive, stored] = [hashed(), hashed()];
  const file = createWriteStream(part);
  const ended = withEnd(chunks);
  if (compression === "none") await pipeline(ended, archive.stream, stored.stream, file);
  else await pipeline(ended, archive.stream, createGzip({ level: 1 }), stored.stream, file);
  const { hex, sizeBytes } = stored.result();
  renameSync(part, join(blobs, hex));
  const mediaType = `${OCI}.layer.v1.tar${compression === "none" ? "" : "+gzip"}`;
  return {
    descriptor: { mediaType, digest: `sha256:${hex}`, size: sizeBytes },
    diffId: `sha256:${archive.result().hex}`,
  };
}

function* withEnd(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield* chunks;
  yield Buffer.alloc(2 * BLOCK);
}

/** Passes bytes on, counted and hashed. */
function hashed() {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, result: () => ({ hex: hash.digest("hex"), sizeBytes }) };
}

/** A ustar header of a regular file of root's, mode 0644, of 2026-01-01 (POSIX.1-1988). */
export function fileHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, "latin1");
  header.write("0000644\x000000000\x000000000\x00", 100, "latin1");
  header.write(
    `${sizeBytes.toString(8).padStart(11, "0")}\x0015125334400\x00        0`,
    124,
    "latin1",
  );
  header.write("ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148, "latin1");
  return header;
}

/** Fills a body up to whole blocks. */
export function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}
