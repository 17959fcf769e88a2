import { hasSurplus } from "./body-surplus.ts";
import type { ChunkLink } from "./chunk-link.ts";
import { headerOf } from "./http-exchange.ts";
import { chunkMisfit, parseContentLength } from "./range-answer.ts";

/** The answer is not that of a host that does ranges. */
export class RangesUnusable extends Error {
  override readonly name = "RangesUnusable";
}

export interface ChunkOrder {
  readonly startByte: number;
  /** Filled whole. */
  readonly target: Uint8Array;
  /** Of the blob, by its descriptor. */
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  /** The answer is what was asked for; its bytes follow. */
  readonly onBelieved: () => void;
  readonly onReceived: (bytes: number) => void;
}

/** What is received is told about in pieces of this size: whoever waits for it may begin. */
const PIECE_BYTES = 256 * 1024;

/**
 * One range of a blob, with one request. Believed only when the answer is a 206 of exactly what was asked for
 * (registry-cases BLOB-11).
 * @throws RangesUnusable; as `ChunkLink.request`; Error as undici or the socket gave it, or `ClockError`
 */
export async function fetchChunk(link: ChunkLink, order: ChunkOrder): Promise<void> {
  const { startByte, target, sizeBytes, signal } = order;
  const range = `bytes=${startByte}-${startByte + target.length - 1}`;
  const { answer, hosts } = await link.request({ headers: { accept: "*/*", range }, signal });
  const { status, headers, body } = answer;
  const misfit = chunkMisfit({
    status,
    contentRange: headerOf(headers, "content-range"),
    contentLength: parseContentLength(headerOf(headers, "content-length")),
    startByte,
    endByte: startByte + target.length,
    sizeBytes,
  });
  if (misfit !== undefined) {
    // Not drained: a 416 of distribution 2.8 promises the blob's length and sends a line.
    body.cancel();
    throw new RangesUnusable(`${hosts} ${misfit}`);
  }
  order.onBelieved();
  try {
    for (let received = 0; received < target.length;) {
      const piece = target.subarray(received, received + PIECE_BYTES);
      const bytes = await body.read(piece);
      received += bytes;
      order.onReceived(bytes);
      if (bytes < piece.length) {
        // If the body broke, this call tells.
        await body.read(piece);
        throw new RangesUnusable(`${hosts} sent less than its Content-Range says`);
      }
    }
    if (await hasSurplus(body)) {
      throw new RangesUnusable(`${hosts} sent more than its Content-Range says`);
    }
  } finally {
    body.cancel();
  }
}
