import { crc32, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import { tarArchive } from "./case-archive.ts";
import type { CaseContext } from "./case-bytes.ts";
import { text, type JsonObject } from "./case-json.ts";

const MIB = 2 ** 20;

export function compress(data: Buffer, how: string): Buffer {
  if (how === "none") return data;
  if (how === "gzip") return gzipSync(data);
  if (how === "gzip-multimember") return gzipMembers(data);
  if (how === "gzip-fields") return gzipWithFields(data);
  if (how === "zstd") return zstdCompressSync(data);
  if (how === "zstd-frames") return zstdFrames(data);
  const window = /^zstd-window-(\d+)$/.exec(how);
  if (window !== null) return zstdFrame(data, Number(window[1]));
  throw new Error(`unknown compression ${how}`);
}

/** Cut inside headers and bodies, with an empty member too. */
function gzipMembers(data: Buffer): Buffer {
  const cuts = [0, 100, 700, Math.max(701, Math.floor(data.length / 2)), data.length];
  const parts = cuts.slice(1).map((end, index) => data.subarray(cuts[index], end));
  const [first = Buffer.alloc(0), ...rest] = parts;
  return Buffer.concat([first, Buffer.alloc(0), ...rest].map((part) => gzipSync(part)));
}

/** FEXTRA, FNAME, FCOMMENT and FHCRC present (RFC 1952 §2.3). */
function gzipWithFields(data: Buffer): Buffer {
  const head = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0x1e]),
    uint32(1_700_000_000),
    Buffer.from([2, 3, 4, 0]),
    Buffer.from("ab\0\0layer.tar\0a comment\0", "latin1"),
  ]);
  const headCrc = Buffer.alloc(2);
  headCrc.writeUInt16LE(crc32(head) & 0xffff);
  const trailer = [uint32(crc32(data)), uint32(data.length % 2 ** 32)];
  return Buffer.concat([head, headCrc, deflateRawSync(data), ...trailer]);
}

/** Several frames with skippable frames between (zstd:chunked, pzstd). */
function zstdFrames(data: Buffer): Buffer {
  const third = Math.floor(data.length / 3);
  return Buffer.concat([
    zstdSkippable(Buffer.from([1, 2])),
    zstdFrame(data.subarray(0, third), 17),
    zstdSkippable(Buffer.alloc(0)),
    zstdFrame(data.subarray(third), 17),
    zstdSkippable(Buffer.from("end".repeat(10))),
  ]);
}

/** A frame of stored blocks, written by hand: any window size can be declared (RFC 8878 §3.1). */
function zstdFrame(data: Buffer, windowLog: number): Buffer {
  const parts = [zstdFrameHeader(windowLog)];
  for (let at = 0; at === 0 || at < data.length; at += 65_536) {
    const chunk = data.subarray(at, at + 65_536);
    const last = at + 65_536 >= data.length;
    parts.push(zstdBlockHeader(chunk.length, 0, last), chunk);
  }
  return Buffer.concat(parts);
}

function zstdFrameHeader(windowLog: number): Buffer {
  return Buffer.concat([uint32(0xfd2fb528), Buffer.from([0, (windowLog - 10) << 3])]);
}

/** @param type 0 stored, 1 one byte repeated */
function zstdBlockHeader(length: number, type: 0 | 1, last: boolean): Buffer {
  return uint32((length << 3) | (type << 1) | (last ? 1 : 0)).subarray(0, 3);
}

function zstdSkippable(payload: Buffer): Buffer {
  return Buffer.concat([uint32(0x184d2a50), uint32(payload.length), payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** A tiny blob that expands to one file of `sizeBytes` zeros (never expanded here). */
export function bomb(spec: JsonObject, context: CaseContext): Buffer {
  const sizeBytes = Number(spec["sizeBytes"]);
  const entry = { path: spec["path"] ?? "bomb", type: "file", raw: { size: { octal: sizeBytes } } };
  const head = tarArchive({ entries: [entry], tail: { eof: 0 } }, context);
  const end = Buffer.alloc(1024);
  if (text(spec["compression"] ?? "gzip") === "gzip") {
    const member = gzipSync(Buffer.alloc(64 * MIB), { level: 9 });
    const members = Array.from({ length: Math.floor(sizeBytes / (64 * MIB)) }, () => member);
    return Buffer.concat([gzipSync(head), ...members, gzipSync(end)]);
  }
  const total = sizeBytes + ((512 - (sizeBytes % 512)) % 512) + end.length;
  const whole = Buffer.concat([zstdBlockHeader(131_072, 1, false), Buffer.alloc(1)]);
  return Buffer.concat([
    zstdFrameHeader(17),
    zstdBlockHeader(head.length, 0, false),
    head,
    ...Array.from({ length: Math.floor(total / 131_072) }, () => whole),
    zstdBlockHeader(total % 131_072, 1, true),
    Buffer.alloc(1),
  ]);
}
