import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack, type Header } from "tar-stream";
import { digestText } from "./digest-text.ts";
import type { TestLayer } from "./test-registry/test-image.ts";

/** An honest archive entry; hostile ones come from the case kit. */
export interface LayerEntry extends Partial<Header> {
  readonly name: string;
  readonly contents?: Buffer;
}

export function fileEntry(name: string, contents: Buffer | string, mode = 0o644): LayerEntry {
  return { name, mode, type: "file", contents: Buffer.from(contents) };
}

export function directoryEntry(name: string, mode = 0o755): LayerEntry {
  return { name, mode, type: "directory" };
}

export function symlinkEntry(name: string, linkname: string): LayerEntry {
  return { name, type: "symlink", linkname };
}

/** A layer as builders make it, written by tar-stream; entries are root's and of 2026-01-01 unless they say otherwise. */
export async function makeLayer(
  entries: readonly LayerEntry[],
  compression: "gzip" | "zstd" | "none" = "gzip",
): Promise<TestLayer> {
  const archive = pack();
  const mtime = new Date("2026-01-01T00:00:00Z");
  for (const { contents, ...header } of entries) {
    archive.entry({ mtime, uid: 0, gid: 0, ...header }, contents ?? Buffer.alloc(0));
  }
  archive.finalize();
  const bytes = await buffer(archive);
  const suffix = compression === "none" ? "" : `+${compression}`;
  return {
    bytes: compress(bytes, compression),
    mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
    diffId: digestText(bytes),
  };
}

function compress(bytes: Buffer, compression: "gzip" | "zstd" | "none"): Buffer {
  if (compression === "gzip") return gzipSync(bytes, { level: 1 });
  return compression === "zstd" ? zstdCompressSync(bytes) : bytes;
}
