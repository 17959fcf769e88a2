import { ImportError } from "../errors.ts";
import type { BodyReader } from "./content-coding.ts";
import { codingOf, decodedReader } from "./content-coding.ts";
import { sanitised } from "./error-body.ts";
import type { FollowedAnswer } from "./follow-redirects.ts";
import { headerOf } from "./http-exchange.ts";
import { parseContentLength, planBlobAnswer } from "./range-answer.ts";
import { RequestFailure } from "./request-failure.ts";

/** One connection's part of a blob. */
export interface BlobPart {
  readonly reader: BodyReader;
  /** Offset in the blob of the next byte that the reader gives. */
  at: number;
  /** The reader gave less than was asked for: what follows is the end, or the error that it broke with. */
  ended: boolean;
  /** Where the server said the part ends; `undefined`: it said nothing. */
  readonly endsAt: number | undefined;
  /** A coding is undone: ranges would count encoded bytes, so a broken part starts again from 0 (BLOB-2). */
  readonly encoded: boolean;
  readonly hosts: string;
  readonly host: string;
  /** `text/html` and the like, for the message when the bytes turn out wrong (BLOB-12). */
  readonly contentType: string | undefined;
}

export interface PartFacts {
  /** Where the Range that was sent starts; 0: none was sent. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly what: string;
  readonly reference: string;
  /** How the blob is compressed by its media type. */
  readonly stored: "gzip" | "zstd" | undefined;
  /** The coding turned out to be only a label. */
  readonly takeRaw: boolean;
}

/** Not what was asked for, and not final: once more without Range. */
export class RangeRefused extends Error {
  override readonly name = "RangeRefused";
}

/**
 * What an answer to a GET of a blob gives (registry-cases BLOB-2 … BLOB-4, BLOB-7, BLOB-12).
 * @throws RangeRefused; RequestFailure ERR_REGISTRY_PROTOCOL, ERR_SIZE_MISMATCH. The connection is given up then.
 */
export function openPart(followed: FollowedAnswer, facts: PartFacts): BlobPart {
  const { answer, hosts, target } = followed;
  const contentLength = parseContentLength(headerOf(answer.headers, "content-length"));
  const plan = planBlobAnswer({
    status: answer.status,
    contentRange: headerOf(answer.headers, "content-range"),
    contentLength,
    offset: facts.offset,
    sizeBytes: facts.sizeBytes,
  });
  if (plan.kind !== "take") {
    answer.body.cancel();
    const message = `${hosts} ${plan.why}, for ${facts.what}`;
    if (plan.kind === "restart") throw new RangeRefused(message);
    throw protocolFailure(message, followed, facts);
  }
  const contentType = headerOf(answer.headers, "content-type");
  const part = { at: plan.startsAt, ended: false, hosts, host: target.host, contentType };
  const coding = codingOf(headerOf(answer.headers, "content-encoding"));
  const onlyLabel = facts.takeRaw || contentLength === facts.sizeBytes - plan.startsAt;
  if (coding !== undefined && !onlyLabel) {
    if (plan.startsAt > 0) {
      answer.body.cancel();
      throw new RangeRefused(`${hosts} encoded a part of a blob, for ${facts.what}`);
    }
    const reader = decodedReader(answer.body, coding, facts.stored);
    return { ...part, reader, endsAt: undefined, encoded: true };
  }
  const endsAt = plan.lengthBytes === undefined ? undefined : plan.startsAt + plan.lengthBytes;
  const misfit = sizeFailure(endsAt, { followed, facts, contentType });
  if (misfit !== undefined) {
    answer.body.cancel();
    throw misfit;
  }
  return { ...part, reader: answer.body, endsAt, encoded: false };
}

/** A part of a range may be short; a whole body may not (BLOB-4), but a proxy's cut copy is asked for once more. */
function sizeFailure(
  endsAt: number | undefined,
  context: {
    readonly followed: FollowedAnswer;
    readonly facts: PartFacts;
    readonly contentType: string | undefined;
  },
): RequestFailure | undefined {
  const { followed, facts, contentType } = context;
  if (endsAt === undefined || endsAt === facts.sizeBytes) return undefined;
  if (endsAt < facts.sizeBytes && followed.answer.status === 206) return undefined;
  const error = sizeMismatch({ ...facts, hosts: followed.hosts, contentType }, `${endsAt}`);
  const retry = endsAt < facts.sizeBytes ? "once" : "no";
  return new RequestFailure(error, { retry, host: followed.target.host });
}

export interface SizeFacts {
  readonly hosts: string;
  readonly contentType: string | undefined;
  readonly what: string;
  readonly reference: string;
  readonly sizeBytes: number;
}

/** @param actual `900`, or `more than 1000` */
export function sizeMismatch(facts: SizeFacts, actual: string): ImportError {
  const html = /^text\/html|json/i.test(facts.contentType ?? "");
  const page = html ? ` (${facts.hosts} sent ${sanitised(facts.contentType ?? "")})` : "";
  return new ImportError(
    "ERR_SIZE_MISMATCH",
    `${facts.what} has ${facts.sizeBytes} bytes, ${facts.hosts} sends ${actual}${page}`,
    {
      hint: "Import again; if it repeats, the registry or a proxy in between serves something else.",
      details: { reference: facts.reference, host: facts.hosts, expectedBytes: facts.sizeBytes },
    },
  );
}

function protocolFailure(
  message: string,
  followed: FollowedAnswer,
  facts: PartFacts,
): RequestFailure {
  const error = new ImportError("ERR_REGISTRY_PROTOCOL", message, {
    hint: "Ask the registry's operator: no registry should answer so.",
    details: {
      reference: facts.reference,
      host: followed.hosts,
      status: followed.answer.status,
    },
  });
  return new RequestFailure(error, { retry: "no", host: followed.target.host });
}
