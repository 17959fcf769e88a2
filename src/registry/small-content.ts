import type { ErrorCode } from "../errors.ts";
import { ImportError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Digest } from "../oci/digest.ts";
import { parseDigest } from "../oci/digest.ts";
import { documentTooLong } from "../oci/json-object.ts";
import { digestOf } from "../oci/verify-bytes.ts";
import type { AskedFor } from "./answer-verdict.ts";
import { factsOf, verdictFailure } from "./answer-verdict.ts";
import { classifyManifestBody } from "./classify-response.ts";
import { codingOf, undoCoding } from "./content-coding.ts";
import { sanitised } from "./error-body.ts";
import type { FollowedAnswer } from "./follow-redirects.ts";
import { headerOf } from "./http-exchange.ts";
import { networkFailure } from "./network-error.ts";
import { parseContentLength } from "./range-answer.ts";
import type { RegistryConnection } from "./registry-request.ts";
import { sendToRegistry } from "./registry-request.ts";
import { RequestFailure } from "./request-failure.ts";
import { RetryPlan } from "./retry-plan.ts";

/** A manifest, an index or a config: short enough to hold, so it is read whole and asked for again whole. */
export interface SmallRequest {
  readonly kind: "manifest" | "config";
  /** `manifests/1.2`, `blobs/sha256:…` */
  readonly path: string;
  readonly accept: string;
  /** `the manifest of ghcr.io/org/app:1.2` */
  readonly what: string;
  /** For `details`: the normalised reference. */
  readonly reference: string;
  readonly limits: Limits;
  /** What the bytes must be, if it is known. */
  readonly digest: Digest | undefined;
  readonly signal: AbortSignal;
}

export interface SmallContent {
  readonly bytes: Uint8Array;
  /** Content-Type as received. */
  readonly mediaType: string | undefined;
}

/**
 * Fetches and checks (registry-cases MAN-2 … MAN-6). Damaged bytes are asked for once more past all caches (BLOB-9).
 * @throws ImportError ERR_DIGEST_MISMATCH, ERR_MANIFEST_INVALID (too big, empty, no JSON), ERR_REGISTRY_PROTOCOL,
 *   ERR_AUTH_…, ERR_IMAGE_NOT_FOUND, ERR_NETWORK …
 */
export async function fetchSmall(
  connection: RegistryConnection,
  request: SmallRequest,
): Promise<SmallContent> {
  const plan = new RetryPlan(connection.sender.retries, request.what);
  let noCache = false;
  for (;;) {
    try {
      return await fetchOnce(connection, request, noCache);
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      noCache ||= error.error.code === "ERR_DIGEST_MISMATCH";
      await plan.next(error, request.signal);
    }
  }
}

async function fetchOnce(
  connection: RegistryConnection,
  request: SmallRequest,
  noCache: boolean,
): Promise<SmallContent> {
  const followed = await sendToRegistry(connection, {
    kind: request.kind,
    path: request.path,
    headers: {
      accept: request.accept,
      ...(noCache ? { "cache-control": "no-cache" } : {}),
    },
    lane: "api",
    what: request.what,
    signal: request.signal,
  });
  const bytes = await readWhole(followed, request);
  if (request.kind === "manifest") checkManifestBody(connection, request, { followed, bytes });
  checkDigest(followed, request, bytes);
  return { bytes, mediaType: headerOf(followed.answer.headers, "content-type") };
}

async function readWhole(followed: FollowedAnswer, request: SmallRequest): Promise<Uint8Array> {
  const { answer, hosts } = followed;
  const announced = parseContentLength(headerOf(answer.headers, "content-length")) ?? 0;
  const maxBytes = request.limits[limitOf(request)];
  if (announced > maxBytes) {
    answer.body.cancel();
    throw tooBig(followed, request, announced);
  }
  let read: { readonly bytes: Uint8Array; readonly more: boolean };
  try {
    read = await answer.body.readAll(maxBytes);
  } catch (error) {
    const { what, reference } = request;
    throw networkFailure(error, { host: hosts, what, reference, beforeAnswer: false });
  }
  if (read.more) throw tooBig(followed, request, maxBytes + 1);
  const coding = codingOf(headerOf(answer.headers, "content-encoding"));
  if (coding === undefined || fits(read.bytes, request.digest)) return read.bytes;
  const bytes = undoCoding(read.bytes, coding, maxBytes);
  if (bytes === undefined) throw tooBig(followed, request, maxBytes + 1);
  return bytes;
}

function fits(bytes: Uint8Array, digest: Digest | undefined): boolean {
  return digest !== undefined && digestOf(bytes, digest.algorithm).hex === digest.hex;
}

function checkManifestBody(
  connection: RegistryConnection,
  request: SmallRequest,
  got: { readonly followed: FollowedAnswer; readonly bytes: Uint8Array },
): void {
  const asked: AskedFor = {
    method: "GET",
    kind: "manifest",
    what: request.what,
    reference: connection.reference,
    sent: "none",
    secrets: [],
  };
  const facts = factsOf(got.followed, asked, got.bytes, connection.sender.retries);
  const verdict = classifyManifestBody(facts);
  if (verdict !== undefined) throw verdictFailure(verdict, got.followed, asked);
}

/** The digest that was asked for decides; what the registry announces must agree with the bytes as well (MAN-3). */
function checkDigest(followed: FollowedAnswer, request: SmallRequest, bytes: Uint8Array): void {
  const header = headerOf(followed.answer.headers, "docker-content-digest")?.trim();
  const announced = header === undefined ? undefined : parseDigest(header);
  const wrong = [request.digest, announced].find(
    (digest) => digest !== undefined && !fits(bytes, digest),
  );
  if (wrong !== undefined) {
    const actual = digestOf(bytes, wrong.algorithm);
    const message = `${request.what} does not match its digest: expected ${wrong.text}, got ${actual.text} from ${followed.hosts}`;
    throw failure("ERR_DIGEST_MISMATCH", message, followed, {
      reference: request.reference,
      expected: wrong.text,
      actual: actual.text,
    });
  }
  const malformed =
    announced === undefined && header !== undefined && !OTHER_ALGORITHM.test(header);
  if (malformed && request.digest === undefined) {
    const message = `${followed.hosts} sent the malformed Docker-Content-Digest "${sanitised(header)}" for ${request.what}`;
    throw failure("ERR_REGISTRY_PROTOCOL", message, followed, { reference: request.reference });
  }
}

/** A digest in the grammar of image-spec, of an algorithm that we do not compute: nothing to compare. */
const OTHER_ALGORITHM = /^(?!sha(?:256|384|512):)[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** @param value its bytes, as far as they are known */
function tooBig({ hosts }: FollowedAnswer, request: SmallRequest, value: number): ImportError {
  const { what, reference, limits } = request;
  const { code, message, hint, details } = documentTooLong(what, limits, {
    limit: limitOf(request),
    value,
  });
  return new ImportError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    details: { host: hosts, reference, ...details },
  });
}

function limitOf({ kind }: SmallRequest): "manifestBytes" | "configBytes" {
  return kind === "manifest" ? "manifestBytes" : "configBytes";
}

function failure(
  code: ErrorCode,
  message: string,
  followed: FollowedAnswer,
  details: Readonly<Record<string, string | number>>,
): RequestFailure {
  const error = new ImportError(code, message, {
    hint: "Import again; if it repeats, the registry or a proxy in between serves something else.",
    details: { host: followed.hosts, ...details },
  });
  return new RequestFailure(error, { retry: "once", host: followed.target.host });
}
