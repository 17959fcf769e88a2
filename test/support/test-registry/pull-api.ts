import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredBlob } from "./blob-store.ts";
import type { Misbehaviour } from "./faults.ts";
import type { BodyPlan } from "./send-body.ts";
import { sendBody } from "./send-body.ts";

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
  if (fault?.kind === "silence") return;
  if (fault?.kind === "late") await sleep(fault.ms);
  if (fault?.kind === "status") {
    response.writeHead(fault.status, fault.headers).end(fault.body ?? "");
    return;
  }
  if (fault?.kind === "redirect") {
    response.writeHead(307, { location: fault.location }).end();
    return;
  }
  if (content === undefined || fault?.kind === "missing") {
    const code = request.url?.includes("/manifests/") === true ? "MANIFEST" : "BLOB";
    sendError(response, 404, `${code}_UNKNOWN`, `${code.toLowerCase()} unknown to registry`);
    return;
  }
  const size = content.blob.sizeBytes;
  if (request.method === "HEAD") {
    response.writeHead(200, { ...content.headers, "content-length": String(size) }).end();
    return;
  }
  const asked = fault?.kind === "ignore-range" ? undefined : rangeOf(request.headers.range, size);
  if (asked === "unsatisfiable" || fault?.kind === "range-not-satisfiable") {
    refuseRange(response, size, fault);
    return;
  }
  const [fromByte, toByte] = asked ?? [0, size];
  const ranged = asked !== undefined;
  const shift = fault?.kind === "wrong-range" && ranged ? fault.shiftBytes : 0;
  const start = Math.max(0, fromByte - shift);
  await sendBody(response, {
    status: ranged ? 206 : 200,
    headers: {
      ...content.headers,
      "accept-ranges": "bytes",
      ...(ranged ? contentRange(`${start}-${toByte - 1}`, size, fault) : {}),
    },
    blob: content.blob,
    fromByte: start,
    ...damage(fault, start, toByte),
    ...(options.bytesPerSecond === undefined ? {} : { bytesPerSecond: options.bytesPerSecond }),
  });
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
): Pick<BodyPlan, "toByte" | "end" | "contentLength" | "flipAt" | "zerosAfter" | "hold"> {
  if (fault?.kind === "hold") return { toByte, end: "clean", hold: fault };
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
