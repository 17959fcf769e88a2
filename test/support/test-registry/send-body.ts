import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredBlob } from "./blob-store.ts";

/** One answer with a body, and how its connection ends. */
export interface BodyPlan {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
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
}

/** At most this much is written at once when a rate is kept, so that the rate is even. */
const PACED_SLICE_BYTES = 64 * 1024;

export async function sendBody(response: ServerResponse, plan: BodyPlan): Promise<void> {
  const zeros = plan.zerosAfter ?? 0;
  const length = plan.contentLength ?? plan.toByte - plan.fromByte + zeros;
  response.writeHead(plan.status, { ...plan.headers, "content-length": String(length) });
  let sent = 0;
  for await (const chunk of plan.blob.read(plan.fromByte, plan.toByte)) {
    const step = plan.bytesPerSecond === undefined ? chunk.length : PACED_SLICE_BYTES;
    for (let at = 0; at < chunk.length; at += step) {
      const part = flipped(chunk.subarray(at, at + step), plan.flipAt, sent);
      sent += part.length;
      if (!(await write(response, part))) return;
      if (plan.bytesPerSecond !== undefined) await sleep((part.length / plan.bytesPerSecond) * 1e3);
    }
  }
  if (zeros > 0) await write(response, Buffer.alloc(zeros));
  await finish(response, plan.end);
}

function flipped(part: Uint8Array, flipAt: number | undefined, sent: number): Uint8Array {
  const at = (flipAt ?? -1) - sent;
  if (at < 0 || at >= part.length) return part;
  const copy = Uint8Array.from(part);
  copy[at] = ~(copy[at] ?? 0);
  return copy;
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
  if (end === "reset") response.socket?.resetAndDestroy();
  else response.socket?.end();
}
