import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync, gzipSync } from "node:zlib";
import type { StoredBlob } from "./blob-store.ts";
import { wholeOf } from "./blob-store.ts";
import type { Misbehaviour } from "./faults.ts";
import type { BodyPlan } from "./send-body.ts";
import { endConnection, sendBody, sendRaw } from "./send-body.ts";

export interface Content {
  readonly blob: StoredBlob;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PullOptions {
  readonly fault: Misbehaviour | undefined;
  readonly delayMs: number;
  readonly bytesPerSecond: number | undefined;
}

/** Answers a GET or HEAD of content that exists (or not), as a registry does, or as the fault says. */
export async function answerContent(
  request: IncomingMessage,
  response: ServerResponse,
  content: Content | undefined,
  options: PullOptions,
): Promise<void> {
  if (options.delayMs > 0) await sleep(options.delayMs);
  const { fault } = options;
  if (fault?.kind === "late") await sleep(fault.ms);
  if (fault !== undefined && answeredWithout(request, response, fault)) return;
  if (content === undefined || fault?.kind === "missing") {
    const code = request.url?.includes("/manifests/") === true ? "MANIFEST" : "BLOB";
    sendError(response, 404, `${code}_UNKNOWN`, `${code.toLowerCase()} unknown to registry`);
    return;
  }
  if (fault?.kind === "raw") {
    await sendRaw(response, content.blob, fault);
    return;
  }
  const size = content.blob.sizeBytes;
  if (request.method === "HEAD") {
    response.writeHead(200, { ...content.headers, "content-length": String(size) }).end();
    return;
  }
  if (fault?.kind === "encode") {
    await sendEncoded(response, content, fault);
    return;
  }
  const asked = fault?.kind === "ignore-range" ? undefined : rangeOf(request.headers.range, size);
  if (asked === "unsatisfiable" || fault?.kind === "range-not-satisfiable") {
    refuseRange(response, size, fault);
    return;
  }
  await sendContent(response, content, { asked, options });
}

/** Faults that have nothing to do with the content. @returns whether that was the answer */
function answeredWithout(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Misbehaviour,
): boolean {
  if (fault.kind === "silence") return true;
  if (fault.kind === "hang-up") endConnection(response, fault.how);
  else if (fault.kind === "status") {
    response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
  } else if (fault.kind === "redirect") {
    response.writeHead(307, { location: fault.location }).end();
  } else if (fault.kind === "redirect-to-itself") {
    response.writeHead(307, { location: request.url }).end();
  } else if (fault.kind === "replace") {
    const headers = { "content-type": fault.mediaType ?? "application/octet-stream" };
    response.writeHead(200, { ...headers, "content-length": fault.bytes.length }).end(fault.bytes);
  } else return false;
  return true;
}

async function sendContent(
  response: ServerResponse,
  { blob, headers }: Content,
  {
    asked,
    options: { fault, bytesPerSecond },
  }: { readonly asked: readonly [number, number] | undefined; readonly options: PullOptions },
): Promise<void> {
  const size = blob.sizeBytes;
  const [fromByte, toByte] = asked ?? [0, size];
  const ranged = asked !== undefined;
  const shift = fault?.kind === "wrong-range" && ranged ? fault.shiftBytes : 0;
  const start = Math.max(0, fromByte - shift);
  await sendBody(response, {
    status: ranged ? 206 : 200,
    headers: {
      ...headers,
      "accept-ranges": "bytes",
      ...(ranged ? contentRange(`${start}-${toByte - 1}`, size, fault) : {}),
    },
    ...(fault?.kind === "headers" ? { wrongHeaders: fault.headers } : {}),
    blob,
    fromByte: start,
    ...damage(fault, start, toByte),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  });
}

/** A range is ignored, as whoever encodes on the fly does. */
async function sendEncoded(
  response: ServerResponse,
  { blob, headers }: Content,
  { coding, cutBytes = 0 }: Extract<Misbehaviour, { readonly kind: "encode" }>,
): Promise<void> {
  const bytes = await wholeOf(blob);
  const encoded = coding === "gzip" ? gzipSync(bytes) : deflateSync(bytes);
  const sent = encoded.subarray(0, encoded.length - cutBytes);
  response.writeHead(200, {
    ...headers,
    "content-encoding": coding,
    "content-length": String(sent.length),
  });
  response.end(sent);
}

function refuseRange(
  response: ServerResponse,
  size: number,
  fault: Misbehaviour | undefined,
): void {
  const likeDistribution = fault?.kind === "range-not-satisfiable" && fault.likeDistribution;
  const headers = { "content-range": `bytes */${size}` };
  if (likeDistribution !== true) response.writeHead(416, headers).end();
  else response.writeHead(416, { ...headers, "content-length": size }).write("not satisfiable\n");
}

function contentRange(
  range: string,
  size: number,
  fault: Misbehaviour | undefined,
): Readonly<Record<string, string>> {
  if (fault?.kind === "no-content-range") return {};
  const total = size + (fault?.kind === "wrong-total" ? fault.extraBytes : 0);
  return { "content-range": `bytes ${range}/${total}` };
}

function damage(
  fault: Misbehaviour | undefined,
  fromByte: number,
  toByte: number,
): Pick<
  BodyPlan,
  "toByte" | "end" | "contentLength" | "flipAt" | "zerosAfter" | "hold" | "trickle"
> {
  if (fault?.kind === "hold") return { toByte, end: "clean", hold: fault };
  if (fault?.kind === "trickle") return { toByte, end: "clean", trickle: fault };
  if (fault?.kind === "flip") return { toByte, end: "clean", flipAt: fault.atByte };
  if (fault?.kind === "append") return { toByte, end: "clean", zerosAfter: fault.bytes };
  if (fault?.kind === "truncate") {
    return { toByte: Math.min(toByte, fromByte + fault.toBytes), end: "clean" };
  }
  if (fault?.kind === "close" || fault?.kind === "reset" || fault?.kind === "stall") {
    const cut = Math.min(toByte, fromByte + fault.afterBytes);
    return { toByte: cut, end: fault.kind, contentLength: toByte - fromByte };
  }
  return { toByte, end: "clean" };
}

/** One range of RFC 9110 section 14.2; several or unreadable ones are ignored, as the RFC allows. */
function rangeOf(
  header: string | undefined,
  sizeBytes: number,
): readonly [number, number] | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") return [Math.max(0, sizeBytes - Number(match[2])), sizeBytes];
  const from = Number(match[1]);
  const to = match[2] === "" ? sizeBytes : Math.min(sizeBytes, Number(match[2]) + 1);
  return from >= sizeBytes || from >= to ? "unsatisfiable" : [from, to];
}

/** The error body of distribution-spec, "Error Codes". */
export function sendError(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
): void {
  const headers = { "content-type": "application/json", ...response.getHeaders() };
  response.writeHead(status, headers).end(JSON.stringify({ errors: [{ code, message }] }));
}
