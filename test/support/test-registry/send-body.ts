import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredBlob } from "./blob-store.ts";
import { wholeOf } from "./blob-store.ts";
import type { Misbehaviour } from "./faults.ts";
import { rawSocketOf } from "./raw-sockets.ts";

/** One answer with a body, and how its connection ends. */
export interface BodyPlan {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** In place of those, whatever the body is; `undefined` leaves one out. */
  readonly wrongHeaders?: Readonly<Record<string, string | undefined>>;
  readonly blob: StoredBlob;
  readonly fromByte: number;
  readonly toByte: number;
  /** What Content-Length says, if not `toByte - fromByte` and the zeros. */
  readonly contentLength?: number;
  /** Offset in the body as sent. */
  readonly flipAt?: number;
  readonly zerosAfter?: number;
  readonly end: "clean" | "close" | "reset" | "stall";
  readonly bytesPerSecond?: number;
  /** A pause after so many bytes. */
  readonly hold?: { readonly afterBytes: number; readonly released: Promise<unknown> };
  /** A byte at a time after so many bytes. */
  readonly trickle?: { readonly afterBytes: number; readonly everyMs: number };
}

/** At most this much is written at once when a rate is kept, so that the rate is even. */
const PACED_SLICE_BYTES = 64 * 1024;
/** Timers are late: so much of what was not sent in time may be caught up with. */
const CATCH_UP_MS = 20;

export async function sendBody(response: ServerResponse, plan: BodyPlan): Promise<void> {
  const zeros = plan.zerosAfter ?? 0;
  const length = plan.contentLength ?? plan.toByte - plan.fromByte + zeros;
  const headers: Readonly<Record<string, string | undefined>> = {
    ...plan.headers,
    "content-length": String(length),
    ...plan.wrongHeaders,
  };
  const known = Object.entries(headers).filter(([, value]) => value !== undefined);
  response.writeHead(plan.status, Object.fromEntries(known));
  const pace = plan.bytesPerSecond === undefined ? undefined : createPace(plan.bytesPerSecond);
  let sent = 0;
  for await (const chunk of contentOf(plan)) {
    const step = pace === undefined ? chunk.length : PACED_SLICE_BYTES;
    for (let at = 0; at < chunk.length; at += step) {
      const part = flipped(chunk.subarray(at, at + step), plan.flipAt, sent);
      sent += part.length;
      const there = await writePart(response, part, { before: sent - part.length, plan });
      if (!there) return;
      await pace?.(part.length);
    }
  }
  if (zeros > 0) await write(response, Buffer.alloc(zeros));
  await finish(response, plan.end);
}

async function* contentOf({ blob, fromByte, toByte, hold }: BodyPlan): AsyncIterable<Uint8Array> {
  const pauseAt = Math.min(toByte, fromByte + (hold?.afterBytes ?? toByte));
  yield* blob.read(fromByte, pauseAt);
  await hold?.released;
  yield* blob.read(pauseAt, toByte);
}

/** @returns what waits until so many bytes more may have been sent; while the other side does not read, no right to a burst grows */
function createPace(bytesPerSecond: number): (bytes: number) => Promise<void> {
  let due = performance.now();
  return async (bytes) => {
    const now = performance.now();
    due = Math.max(due, now - CATCH_UP_MS) + (bytes / bytesPerSecond) * 1e3;
    if (due > now + 1) await sleep(due - now);
  };
}

function flipped(part: Uint8Array, flipAt: number | undefined, sent: number): Uint8Array {
  const at = (flipAt ?? -1) - sent;
  if (at < 0 || at >= part.length) return part;
  const copy = Uint8Array.from(part);
  copy[at] = ~(copy[at] ?? 0);
  return copy;
}

/** @returns whether the other side is still there */
async function writePart(
  response: ServerResponse,
  part: Uint8Array,
  { before, plan: { trickle } }: { readonly before: number; readonly plan: BodyPlan },
): Promise<boolean> {
  if (trickle === undefined) return write(response, part);
  const swift = Math.max(0, Math.min(part.length, trickle.afterBytes - before));
  response.flushHeaders();
  if (swift > 0 && !(await write(response, part.subarray(0, swift)))) return false;
  for (const byte of part.subarray(swift)) {
    if (!(await write(response, Uint8Array.of(byte)))) return false;
    await sleep(trickle.everyMs);
  }
  return true;
}

/** @returns whether the other side is still there */
async function write(response: ServerResponse, part: Uint8Array): Promise<boolean> {
  if (response.destroyed) return false;
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.write(part, () => {
      response.off("close", resolve);
      resolve();
    });
  });
  return !response.destroyed;
}

async function finish(response: ServerResponse, end: BodyPlan["end"]): Promise<void> {
  if (end === "clean") {
    response.end();
    return;
  }
  if (end === "stall") return;
  // Headers of an empty body are still unsent here.
  response.flushHeaders();
  // A reset drops what the kernel has not delivered; the tests want it delivered.
  await sleep(20);
  endConnection(response, end);
}

/** In order, or with a reset, which is one of TCP below TLS too. */
export function endConnection({ socket }: ServerResponse, how: "close" | "reset"): void {
  if (socket === null) return;
  if (how === "reset") rawSocketOf(socket).resetAndDestroy();
  else socket.end();
}

/** Bytes of the wire, past node:http, which knows nothing of the answer then. */
export async function sendRaw(
  response: ServerResponse,
  blob: StoredBlob,
  { bytes, end }: Extract<Misbehaviour, { readonly kind: "raw" }>,
): Promise<void> {
  const { socket } = response;
  if (socket === null) return;
  const sent = bytes(await wholeOf(blob));
  if (end === "trickle") {
    for (const byte of sent) {
      if (socket.destroyed) return;
      socket.write(Uint8Array.of(byte));
      await sleep(20);
    }
    return;
  }
  socket.write(sent);
  if (end === "stall") return;
  await sleep(20);
  endConnection(response, end);
}
