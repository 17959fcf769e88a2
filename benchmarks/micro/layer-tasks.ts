import { createHash } from "node:crypto";
import { crc32, gzipSync, zstdCompressSync } from "node:zlib";
import type { EntryBatch } from "../../src/layer/entry-batch.ts";
import { createLayerFault } from "../../src/layer/fault.ts";
import { createGzipStream } from "../../src/layer/gzip-stream.ts";
import { TarWalker } from "../../src/layer/tar-walker.ts";
import { createZstdStream } from "../../src/layer/zstd-stream.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { CRC_START, crc32c } from "../../src/sink/crc32c.ts";
import { fileChunks } from "../images/file-chunks.ts";
import type { MicroTask } from "./micro-task.ts";

/** As the importer's buffers are. */
const CHUNK_BYTES = 1 << 20;
const fault = createLayerFault("layer 1 of 1", 0);
const limits = DEFAULT_LIMITS;

/** What each byte of a layer goes through. @param bytes of a plain archive, about */
export function layerTasks(bytes: number): readonly MicroTask[] {
  const bodyBytes = 16 << 10;
  const large = Buffer.concat([
    ...fileChunks({ files: Math.ceil(bytes / (bodyBytes + 512)), bodyBytes }),
  ]);
  const headers = Math.ceil(bytes / 512 / 4);
  const small = Buffer.concat([...fileChunks({ files: headers, bodyBytes: 0 })]);
  const gzip = gzipSync(large);
  const zstd = zstdCompressSync(large);
  const options = { fault, limits, output: () => undefined };
  const perByte = (name: string, run: () => void): MicroTask => ({
    name,
    amount: large.length,
    unit: "bytes",
    run,
  });
  return [
    {
      name: "tar walk, headers",
      amount: headers,
      unit: "entries",
      run: () => void walk(small),
    },
    perByte("tar walk, files of 16 KiB", () => void walk(large)),
    perByte("inflate, gzip", () => decompress(createGzipStream(options), gzip)),
    perByte("decompress, zstd", () => decompress(createZstdStream(options), zstd)),
    perByte("SHA-256", () => {
      const hash = createHash("sha256");
      for (const chunk of chunksOf(large)) hash.update(chunk);
      hash.digest();
    }),
    perByte("CRC-32 (zlib)", () => {
      let crc = 0;
      for (const chunk of chunksOf(large)) crc = crc32(chunk, crc);
    }),
    perByte("CRC-32C", () => void crc32c(CRC_START, large, 0, large.length)),
  ];
}

/** @returns the entries of an archive whose bodies go nowhere */
export function walk(archive: Uint8Array): readonly EntryBatch[] {
  const batches: EntryBatch[] = [];
  const nowhere = { begin: () => undefined, write: () => undefined, skip: () => undefined };
  let body = 0;
  const walker = new TarWalker({
    fault,
    limits,
    bodies: { ...nowhere, end: () => body++ },
    onBatch: (batch) => batches.push(batch),
  });
  for (const chunk of chunksOf(archive)) walker.write(chunk);
  walker.end();
  return batches;
}

function decompress(stream: ReturnType<typeof createGzipStream>, bytes: Uint8Array): void {
  for (const chunk of chunksOf(bytes)) stream.write(chunk);
  stream.end();
  stream.close();
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    yield bytes.subarray(at, at + CHUNK_BYTES);
  }
}
