import { ImportError } from "../errors.ts";
import { ERROR_BODY_BYTES } from "./error-body.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import { headerOf } from "./http-exchange.ts";
import type { HttpTarget } from "./http-target.ts";
import type { RedirectStep } from "./redirect-policy.ts";
import { isRedirect, redirectTarget } from "./redirect-policy.ts";
import type { RetryState } from "./retry-plan.ts";
import type { Lane, Transport } from "./transport.ts";

export interface Sender {
  readonly transport: Transport;
  readonly retries: RetryState;
  /** The user gave up certificate checks. */
  readonly insecure: boolean;
  /** What is imported, for errors. */
  readonly reference: string;
  /** What one host alone is sent besides; may be secrets. */
  readonly headersFor?: (target: HttpTarget) => Readonly<Record<string, string>>;
}

export interface FollowedRequest {
  readonly first: HttpTarget;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly lane: Lane;
  readonly what: string;
  readonly firstByteMs?: number | undefined;
  /** Default: `MAX_REDIRECTS`. */
  readonly maxHops?: number;
  readonly signal: AbortSignal;
  /** The value of `Authorization` for this hop; asked anew for each, since none may cross an origin (RED-2). */
  readonly authorizationFor: (
    target: HttpTarget,
    hops: number,
  ) => Promise<string | undefined> | string | undefined;
  /** May refuse a target that the general rules allow. @throws ImportError */
  readonly checkTarget?: (target: HttpTarget) => void;
}

export interface FollowedAnswer {
  readonly answer: HttpAnswer;
  /** Where the answer comes from. */
  readonly target: HttpTarget;
  readonly hops: number;
  /** `ghcr.io`, or `ghcr.io, then pkg.example.com` (RED-6). */
  readonly hosts: string;
  /** The answer is a mirror's, and there is somebody else to ask. */
  readonly mirror?: AnsweringMirror;
}

/** Told what becomes of a mirror's answer after its headers. */
export interface AnsweringMirror {
  /** It brought something: its count of tries starts again. */
  progressed(): void;
  /** Returns when whoever is next may be asked: the mirror once more, or the next host. @throws ImportError ERR_CANCELLED */
  broke(failure: Error, signal: AbortSignal): Promise<void>;
}

/**
 * One request and the redirects that it meets (registry-cases RED-1 … RED-6). Any other status is the caller's.
 * @throws RequestFailure, ImportError ERR_REDIRECT_REFUSED, ERR_REGISTRY_PROTOCOL, ERR_CANCELLED
 */
export async function followRedirects(
  sender: Sender,
  request: FollowedRequest,
): Promise<FollowedAnswer> {
  let target = request.first;
  const hosts = [target.host];
  for (let hops = 0; ; hops += 1) {
    await sender.retries.whenFree(target.host, request.signal);
    const authorization = await request.authorizationFor(target, hops);
    const answer = await sender.transport.send({
      target,
      method: request.method,
      headers: {
        ...sender.headersFor?.(target),
        ...request.headers,
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: request.body,
      lane: request.lane,
      host: hosts.join(", then "),
      what: request.what,
      firstByteMs: request.firstByteMs,
      signal: request.signal,
    });
    if (!isRedirect(answer.status)) return { answer, target, hops, hosts: hosts.join(", then ") };
    discard(answer);
    target = nextTarget(sender, request, {
      registry: request.first,
      from: target,
      location: headerOf(answer.headers, "location"),
      hops,
      insecure: sender.insecure,
    });
    if (hosts.at(-1) !== target.host) hosts.push(target.host);
  }
}

function nextTarget(sender: Sender, request: FollowedRequest, step: RedirectStep): HttpTarget {
  try {
    const next = redirectTarget(step);
    checkNext(request, next, step.hops);
    return next;
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new ImportError(error.code, `${error.message}, for ${request.what}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      details: { ...error.details, reference: sender.reference },
    });
  }
}

function checkNext(request: FollowedRequest, next: HttpTarget, hops: number): void {
  request.checkTarget?.(next);
  const { host } = request.first;
  const refuse = (why: string): never => {
    throw new ImportError("ERR_REDIRECT_REFUSED", `${host} ${why}`, {
      hint: "Ask the registry's operator to correct its redirects.",
      details: { host },
    });
  };
  if (hops + 1 > (request.maxHops ?? Infinity)) refuse("redirects too often");
  // Attack: the body of a token request is a secret, and its redirect's target is chosen by whoever answers.
  if (request.method === "POST" && next.origin !== request.first.origin) {
    refuse(`redirects to ${next.host}, where credentials are not sent`);
  }
}

/** A short body is read, so that the connection can be used again; nobody waits for it. */
function discard(answer: HttpAnswer): void {
  answer.body.readAll(ERROR_BODY_BYTES).catch(() => answer.body.cancel());
}
