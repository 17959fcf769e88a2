import type { ErrorCode } from "../../../src/errors.ts";
import type { Random } from "../../fuzz/random.ts";
import type { FaultScope, Misbehaviour } from "../test-registry/faults.ts";
import type { AnswerRow, FaultFacts } from "./fault-rows.ts";

type Row = Omit<AnswerRow, "on">;
type On = FaultScope["on"];

const PAGE = "<!DOCTYPE html><html><head><title>Log in</title></head><body>portal</body></html>";
const PAGE_HEADERS = { "content-type": "text/html" };
/** Anything that does not fit: which of them it is depends on where the bytes were wrong. */
const WRONG_BYTES: readonly ErrorCode[] = [
  "ERR_DIGEST_MISMATCH",
  "ERR_SIZE_MISMATCH",
  "ERR_MANIFEST_INVALID",
];
const EVERYWHERE: readonly On[] = ["manifest", "blob", "cdn", "token"];
const CONTENTS: readonly On[] = ["manifest", "blob", "cdn"];
const BLOBS: readonly On[] = ["blob", "cdn"];

export const ANSWER_FAULTS: readonly AnswerRow[] = [
  ...brokenAnswers(),
  ...statuses(),
  ...wrongBodies(),
  ...wrongHeads(),
  ...ranges(),
  ...redirects(),
  ...tokens(),
];

function at(places: readonly On[], row: Row): readonly AnswerRow[] {
  return places.map((on) => ({ ...row, on }));
}

function constant(fault: Misbehaviour): () => Misbehaviour {
  return () => fault;
}

function somewhere(random: Random): number {
  return random.pick([0, 1, 100, random.below(2000), random.below(100_000)]);
}

function brokenAnswers(): readonly AnswerRow[] {
  const network: Pick<Row, "codes" | "survives"> = { codes: ["ERR_NETWORK"], survives: true };
  const timeout: Pick<Row, "codes" | "survives"> = { codes: ["ERR_TIMEOUT"], survives: true };
  return [
    ...at(EVERYWHERE, {
      ...network,
      name: "closed before the answer",
      make: constant({ kind: "hang-up", how: "close" }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "reset before the answer",
      make: constant({ kind: "hang-up", how: "reset" }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "closed in the body",
      make: ({ random }) => ({ kind: "close", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, {
      ...network,
      name: "reset in the body",
      make: ({ random }) => ({ kind: "reset", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, { ...timeout, name: "no answer", make: constant({ kind: "silence" }) }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "head a byte at a time",
      make: constant({
        kind: "raw",
        bytes: () => Buffer.from(`HTTP/1.1 200 OK\r\n${"x-slow: loris\r\n".repeat(40)}\r\n`),
        end: "trickle",
      }),
    }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "stall in the body",
      make: ({ random }) => ({ kind: "stall", afterBytes: somewhere(random) }),
    }),
    ...at(EVERYWHERE, {
      ...timeout,
      name: "body a byte at a time",
      make: ({ random }) => ({ kind: "trickle", afterBytes: somewhere(random), everyMs: 20 }),
    }),
    ...at(EVERYWHERE, {
      name: "late answer",
      codes: [],
      survives: true,
      make: constant({ kind: "late", ms: 150 }),
    }),
  ];
}

function statuses(): readonly AnswerRow[] {
  const status = (
    on: readonly On[],
    code: number,
    row: Pick<Row, "codes" | "survives">,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
  ): readonly AnswerRow[] => {
    const marks = Object.entries(more.headers ?? {}).map(([name, value]) => `${name}: ${value}`);
    const name = [`status ${code}`, ...marks].join(", ");
    return at(on, { ...row, name, make: constant({ kind: "status", status: code, ...more }) });
  };
  const passing = { codes: ["ERR_REGISTRY_UNAVAILABLE"], survives: true } as const;
  const limited = { codes: ["ERR_RATE_LIMITED"], survives: true } as const;
  const protocol = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: false } as const;
  const refused = { codes: ["ERR_AUTH_DENIED", "ERR_AUTH_REQUIRED"], survives: false } as const;
  const missing = { codes: ["ERR_IMAGE_NOT_FOUND"], survives: false } as const;
  const page = { headers: PAGE_HEADERS, body: PAGE };
  return [
    ...[408, 500, 504, 522].flatMap((code) => status(EVERYWHERE, code, passing)),
    ...[502, 503].flatMap((code) => status(EVERYWHERE, code, passing, page)),
    ...status(EVERYWHERE, 503, passing, { headers: { "retry-after": "1" } }),
    ...status(EVERYWHERE, 429, limited),
    ...status(EVERYWHERE, 429, limited, { headers: { "retry-after": "1" } }),
    ...status(EVERYWHERE, 429, limited, { headers: { "retry-after": "soon" } }),
    ...status(
      EVERYWHERE,
      429,
      { ...limited, survives: false },
      { headers: { "retry-after": "3600" } },
    ),
    ...at(["manifest"], {
      ...limited,
      survives: false,
      name: "status 429 of Docker Hub",
      make: constant({
        kind: "status",
        status: 429,
        body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}',
      }),
    }),
    ...status(["manifest", "blob"], 404, missing),
    ...status(["cdn"], 404, missing, { headers: { "content-type": "application/xml" } }),
    ...status(["token"], 404, protocol),
    ...status(["manifest", "blob", "token"], 403, refused),
    ...status(["manifest", "blob"], 402, refused),
    ...[400, 405, 501, 505].flatMap((code) =>
      status(["manifest", "blob", "token"], code, protocol),
    ),
    // A link that has expired: the registry gives another one.
    ...[400, 401, 403, 410].flatMap((code) => status(["cdn"], code, passing)),
    ...[204, 304].flatMap((code) => status(CONTENTS, code, protocol)),
    ...status(BLOBS, 203, protocol, page),
    ...at(["manifest", "blob"], {
      ...refused,
      name: "status 401, no challenge",
      make: constant({ kind: "status", status: 401 }),
    }),
    ...at(["manifest", "blob"], {
      ...refused,
      survives: true,
      name: "status 401 in mid-pull",
      make: ({ challenge }) => ({
        kind: "status",
        status: 401,
        headers: { "www-authenticate": challenge },
      }),
    }),
  ];
}

function wrongBodies(): readonly AnswerRow[] {
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

function wrongHeads(): readonly AnswerRow[] {
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

function ranges(): readonly AnswerRow[] {
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

function redirects(): readonly AnswerRow[] {
  const refused = { codes: ["ERR_REDIRECT_REFUSED"], survives: false } as const;
  const to = (name: string, location: (facts: FaultFacts) => string): readonly AnswerRow[] =>
    at(EVERYWHERE, {
      ...refused,
      name,
      make: (facts) => ({ kind: "redirect", location: location(facts) }),
    });
  return [
    ...at(EVERYWHERE, {
      ...refused,
      name: "a redirect to itself",
      make: constant({ kind: "redirect-to-itself" }),
    }),
    ...to("a redirect to plain http", ({ host }) => `http://${host}/v2/`),
    ...to("a redirect to another scheme", () => "ftp://example.com/blob"),
    ...to("a redirect with a user", ({ host }) => `https://user@${host}/v2/`),
    ...to("a redirect to a link-local address", () => "https://169.254.169.254/latest/"),
    ...at(EVERYWHERE, {
      codes: ["ERR_NETWORK"],
      survives: true,
      name: "a redirect to a closed port",
      make: ({ closedOrigin }) => ({ kind: "redirect", location: `${closedOrigin}/x` }),
    }),
    ...at(EVERYWHERE, {
      codes: ["ERR_REGISTRY_PROTOCOL"],
      survives: false,
      name: "a redirect to nowhere",
      make: constant({ kind: "status", status: 307 }),
    }),
  ];
}

function tokens(): readonly AnswerRow[] {
  const protocol = { codes: ["ERR_REGISTRY_PROTOCOL"], survives: true } as const;
  const row = (name: string, bytes: string, more: Partial<Row> = {}): readonly AnswerRow[] =>
    at(["token"], {
      ...protocol,
      name,
      make: constant({ kind: "replace", bytes: Buffer.from(bytes), mediaType: "application/json" }),
      ...more,
    });
  return [
    ...row("a page for a token", PAGE),
    ...row("half a token", '{"token":"fake-to'),
    ...row("a token answer without a token", '{"expires_in":60}', { survives: false }),
    ...row("a token answer that is a list", "[]", { survives: false }),
    ...row("a token that is a number", '{"token":5}', { survives: false }),
    ...row("a token with control characters", '{"token":"fake\\r\\nx: y"}', { survives: false }),
    ...row("a megabyte for a token", `{"token":"${"x".repeat(1 << 20)}"}`, { survives: false }),
    ...row("a token of no use", '{"token":"fake-useless"}', {
      codes: ["ERR_AUTH_DENIED", "ERR_AUTH_REQUIRED"],
    }),
  ];
}
