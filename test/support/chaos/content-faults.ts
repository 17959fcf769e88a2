import type { ErrorCode } from "../../../src/errors.ts";
import type { Misbehaviour } from "../test-registry/faults.ts";
import { at, BLOBS, constant, CONTENTS, EVERYWHERE, PAGE, type AnswerRow } from "./fault-rows.ts";

/** Anything that does not fit: which of them it is depends on where the bytes were wrong. */
const WRONG_BYTES: readonly ErrorCode[] = [
  "ERR_DIGEST_MISMATCH",
  "ERR_SIZE_MISMATCH",
  "ERR_MANIFEST_INVALID",
];

/** 200, and not what was asked for. */
export function wrongBodies(): readonly AnswerRow[] {
  const wrong = { codes: WRONG_BYTES, survives: true } as const;
  return [
    ...at(["manifest"], {
      name: "an HTML page",
      codes: ["ERR_REGISTRY_PROTOCOL"],
      survives: true,
      make: constant({ kind: "replace", bytes: Buffer.from(PAGE), mediaType: "text/html" }),
    }),
    ...at(BLOBS, {
      ...wrong,
      name: "an HTML page",
      make: constant({ kind: "replace", bytes: Buffer.from(PAGE), mediaType: "text/html" }),
    }),
    ...at(CONTENTS, {
      ...wrong,
      name: "a clean shorter answer",
      make: ({ random }) => ({ kind: "truncate", toBytes: random.pick([0, 1, random.below(400)]) }),
    }),
    ...at(CONTENTS, {
      ...wrong,
      survives: false,
      name: "more than there is",
      make: ({ random }) => ({ kind: "append", bytes: random.pick([1, 512, 200_000]) }),
    }),
    ...at(CONTENTS, {
      codes: [...WRONG_BYTES, "ERR_REGISTRY_PROTOCOL", "ERR_UNSUPPORTED_MEDIA_TYPE"],
      survives: false,
      name: "a wrong byte",
      make: ({ random }) => ({ kind: "flip", atByte: random.below(300) }),
    }),
    ...at(["manifest"], {
      codes: ["ERR_DIGEST_MISMATCH"],
      survives: true,
      byDigest: true,
      name: "another manifest",
      make: ({ otherManifest }) => ({ kind: "replace", bytes: otherManifest }),
    }),
    ...at(["manifest"], {
      codes: ["ERR_MANIFEST_INVALID", "ERR_UNSUPPORTED_MEDIA_TYPE", "ERR_DIGEST_MISMATCH"],
      survives: false,
      name: "JSON that is no manifest",
      make: ({ random }) => ({
        kind: "replace",
        bytes: Buffer.from(random.pick(["{}", "[]", "null", '{"errors":[]}', '{"layers":7}'])),
        mediaType: "application/json",
      }),
    }),
    ...at(["manifest"], {
      codes: ["ERR_MANIFEST_INVALID"],
      survives: false,
      name: "a manifest without an end",
      make: constant({ kind: "replace", bytes: Buffer.alloc((4 << 20) + 1, " ") }),
    }),
    ...at(CONTENTS, {
      codes: [],
      survives: true,
      name: "really encoded",
      make: ({ random }) => ({ kind: "encode", coding: random.pick(["gzip", "deflate"]) }),
    }),
    ...at(BLOBS, {
      codes: [...WRONG_BYTES, "ERR_NETWORK"],
      survives: true,
      name: "really encoded, and cut",
      make: ({ random }) => ({ kind: "encode", coding: "gzip", cutBytes: 1 + random.below(90) }),
    }),
  ];
}

function raw(
  bytes: (content: Uint8Array) => readonly (string | Uint8Array)[],
  end: "close" | "reset" | "stall" = "close",
): () => Misbehaviour {
  return constant({
    kind: "raw",
    bytes: (content) => Buffer.concat(bytes(content).map((part) => Buffer.from(part))),
    end,
  });
}

/** The right bytes, under headers that say something else; and what node:http would not send. */
export function wrongHeads(): readonly AnswerRow[] {
  const harmless = { codes: [], survives: true } as const;
  const unreadable = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: true } as const;
  const json = "content-type: application/octet-stream\r\n";
  return [
    ...at(EVERYWHERE, {
      ...harmless,
      name: "HTTP/1.0, without a length",
      make: raw((content) => [`HTTP/1.0 200 OK\r\n${json}\r\n`, content]),
    }),
    ...at(EVERYWHERE, {
      ...harmless,
      name: "chunked",
      make: constant({ kind: "headers", headers: { "content-length": undefined } }),
    }),
    ...at(EVERYWHERE, {
      ...harmless,
      name: "early hints, and the connection closed unannounced",
      make: raw((content) => [
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(3),
        `HTTP/1.1 200 OK\r\n${json}content-length: ${content.length}\r\n\r\n`,
        content,
      ]),
    }),
    ...at(EVERYWHERE, {
      name: "chunks without an end",
      codes: ["ERR_NETWORK", "ERR_REGISTRY_PROTOCOL"],
      survives: true,
      make: raw((content) => [
        `HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\n`,
        `${(content.length - 1).toString(16)}\r\n`,
        content.subarray(0, -1),
      ]),
    }),
    ...at(EVERYWHERE, {
      name: "chunks of no size",
      codes: ["ERR_NETWORK", "ERR_REGISTRY_PROTOCOL"],
      survives: true,
      make: raw((content) => [
        `HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\nwhat\r\n`,
        content,
      ]),
    }),
    ...at(EVERYWHERE, {
      ...unreadable,
      name: "a garbage status line",
      make: raw(() => ["SSH-2.0-OpenSSH_9.2\r\n"]),
    }),
    ...at(EVERYWHERE, {
      ...unreadable,
      name: "a garbage Content-Length",
      make: raw((content) => ["HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", content]),
    }),
    ...at(EVERYWHERE, {
      ...unreadable,
      survives: false,
      name: "headers without an end",
      make: raw(() => ["HTTP/1.1 200 OK\r\n", "x-much: more\r\n".repeat(6000)]),
    }),
    ...at(CONTENTS, {
      codes: [...WRONG_BYTES, "ERR_NETWORK", "ERR_REGISTRY_PROTOCOL", "ERR_TIMEOUT"],
      survives: true,
      name: "a smaller Content-Length than the body",
      make: constant({ kind: "headers", headers: { "content-length": "70" } }),
    }),
    ...at(CONTENTS, {
      codes: ["ERR_NETWORK", "ERR_SIZE_MISMATCH", "ERR_DIGEST_MISMATCH"],
      survives: false,
      name: "a larger Content-Length than the body",
      make: raw((content) => [
        `HTTP/1.1 200 OK\r\n${json}content-length: ${content.length + 99}\r\n\r\n`,
        content,
      ]),
    }),
    ...at(CONTENTS, {
      ...harmless,
      name: "another Content-Type",
      make: constant({ kind: "headers", headers: { "content-type": "text/plain; charset=x" } }),
    }),
    ...at(BLOBS, {
      ...harmless,
      name: "a Content-Encoding that is only a label",
      make: ({ random }) => ({
        kind: "headers",
        headers: { "content-encoding": random.pick(["gzip", "x-gzip", "br"]) },
      }),
    }),
    ...at(["manifest"], {
      codes: ["ERR_DIGEST_MISMATCH"],
      survives: true,
      name: "another Docker-Content-Digest",
      make: constant({
        kind: "headers",
        headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` },
      }),
    }),
    ...at(["manifest"], {
      codes: ["ERR_MANIFEST_INVALID"],
      survives: false,
      name: "a Content-Type that contradicts the manifest",
      make: constant({
        kind: "headers",
        headers: { "content-type": "application/vnd.docker.distribution.manifest.v1+json" },
      }),
    }),
  ];
}

/** Answers to a Range. */
export function ranges(): readonly AnswerRow[] {
  const misfit = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: true, ranged: true } as const;
  const row = (name: string, fault: Misbehaviour): readonly AnswerRow[] =>
    at(BLOBS, { ...misfit, name, make: constant(fault) });
  return [
    ...at(BLOBS, {
      ...misfit,
      codes: [],
      name: "200 to a Range",
      make: constant({ kind: "ignore-range" }),
    }),
    ...row("another range", { kind: "wrong-range", shiftBytes: 7 }),
    ...row("a range of a longer blob", { kind: "wrong-total", extraBytes: 9 }),
    ...row("206 without Content-Range", { kind: "no-content-range" }),
    ...row("Content-Range without sense", {
      kind: "headers",
      headers: { "content-range": "bytes 9-3/x" },
    }),
    ...row("multipart ranges", {
      kind: "status",
      status: 206,
      headers: { "content-type": "multipart/byteranges; boundary=x" },
      body: "--x\r\n",
    }),
    ...row("416", { kind: "range-not-satisfiable" }),
    ...row("416 that promises the blob", { kind: "range-not-satisfiable", likeDistribution: true }),
    ...at(BLOBS, {
      codes: ["ERR_DIGEST_MISMATCH"],
      survives: true,
      ranged: true,
      name: "206 with wrong bytes",
      make: ({ random }) => ({ kind: "flip", atByte: random.below(200) }),
    }),
    ...at(BLOBS, {
      codes: ["ERR_REGISTRY_PROTOCOL"],
      survives: false,
      name: "206 to a request without Range",
      make: constant({ kind: "status", status: 206, body: "part" }),
    }),
  ];
}
