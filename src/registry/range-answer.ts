/** What is known of an answer to a GET of a blob, from `offset` on when that is not 0. */
export interface BlobAnswerFacts {
  readonly status: number;
  readonly contentRange: string | undefined;
  readonly contentLength: number | undefined;
  /** Where the Range that was sent starts; 0: none was sent. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * `take`: the body holds the blob from `startsAt` on; `lengthBytes` of it if that is known.
 * `restart`: not what was asked; once more without Range. `wrong`: no registry should answer so.
 */
export type BlobAnswerPlan =
  | {
      readonly kind: "take";
      readonly startsAt: number;
      readonly lengthBytes: number | undefined;
    }
  | { readonly kind: "restart"; readonly why: string }
  | { readonly kind: "wrong"; readonly why: string };

/** Judges 200, 206 and 416 (registry-cases BLOB-3, BLOB-7). Pure. */
export function planBlobAnswer(facts: BlobAnswerFacts): BlobAnswerPlan {
  const { status, offset, contentLength } = facts;
  if (status === 200) return { kind: "take", startsAt: 0, lengthBytes: contentLength };
  if (status === 416 && offset > 0) {
    return { kind: "restart", why: "answered 416 to a range inside the blob" };
  }
  if (status !== 206) return { kind: "wrong", why: `answered ${status}` };
  if (offset === 0) return { kind: "wrong", why: "answered 206 to a request without Range" };
  return planPartialAnswer(facts);
}

function planPartialAnswer(facts: BlobAnswerFacts): BlobAnswerPlan {
  const { offset, sizeBytes, contentRange, contentLength } = facts;
  if (contentRange === undefined)
    return { kind: "restart", why: "sent a 206 without Content-Range" };
  const match = /^\s*bytes\s+(\d+)-(\d+)\/(\d+|\*)\s*$/i.exec(contentRange);
  const [, start, end, total] = match ?? [];
  const totalFits = total === "*" || Number(total) === sizeBytes;
  if (Number(start) !== offset || !totalFits) {
    return { kind: "restart", why: `sent a Content-Range that does not start at ${offset}` };
  }
  return {
    kind: "take",
    startsAt: offset,
    lengthBytes: contentLength ?? Math.max(0, Number(end) + 1 - offset),
  };
}

/** An answer to a range of a blob, asked for beside its first stream. */
export interface ChunkAnswerFacts {
  readonly status: number;
  readonly contentRange: string | undefined;
  readonly contentLength: number | undefined;
  readonly startByte: number;
  /** Exclusive. */
  readonly endByte: number;
  readonly sizeBytes: number;
}

/**
 * Why an answer is not exactly the range that was asked for; `undefined`: it is (registry-cases BLOB-11). Stricter than
 * `planBlobAnswer`: the first stream can do without this one. Content-Encoding is not looked at: with the exact length of
 * the range it is only a label, and what it spoils the digest shows. Pure.
 */
export function chunkMisfit(facts: ChunkAnswerFacts): string | undefined {
  const { status, contentRange, contentLength, startByte, endByte, sizeBytes } = facts;
  if (status !== 206) return `answered ${status} to a range`;
  if (contentRange === undefined) return "sent a 206 without Content-Range";
  const match = /^\s*bytes\s+(\d+)-(\d+)\/(\d+)\s*$/i.exec(contentRange);
  const exact =
    Number(match?.[1]) === startByte &&
    Number(match?.[2]) === endByte - 1 &&
    Number(match?.[3]) === sizeBytes;
  if (!exact) return "sent a Content-Range that is not what was asked for";
  if (contentLength !== undefined && contentLength !== endByte - startByte) {
    return "sent a Content-Length that is not its Content-Range";
  }
  return undefined;
}

/** @returns `undefined` when absent or unreadable */
export function parseContentLength(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,16}$/.test(value.trim()) ? Number(value) : undefined;
}
