import type { Challenge } from "../auth/parse-challenges.ts";
import { chooseChallenge, parseChallenges } from "../auth/parse-challenges.ts";
import type { ErrorCode } from "../errors.ts";
import { ImportError } from "../errors.ts";
import type { RegistrySaid } from "./error-body.ts";
import { looksLikeHtml, parseErrorBody, sanitised } from "./error-body.ts";
import type { Retry } from "./request-failure.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** What the request carried. `redirected`: the answer comes from a redirect's target on another origin. */
export type Sent = "none" | "anonymousToken" | "token" | "basic" | "identityToken" | "redirected";

export interface AnswerFacts {
  readonly method: "GET" | "HEAD" | "POST";
  readonly kind: "manifest" | "config" | "blob" | "token";
  readonly sent: Sent;
  /** The scopes of the token that was sent. */
  readonly sentScopes?: readonly string[];
  /** A user and a password are at hand for a Basic challenge. */
  readonly basicAtHand?: boolean;
  /** Who answered; after a redirect all hosts: `ghcr.io, then pkg.example.com`. */
  readonly host: string;
  /** `the manifest of ghcr.io/org/app:1.2` */
  readonly what: string;
  readonly status: number;
  /** Lower-case names; several lines of one name joined, except those of `www-authenticate`. */
  readonly header: (name: string) => string | undefined;
  readonly challengeLines: readonly string[];
  /** At most 64 KiB of an error's body; the whole body of a manifest. */
  readonly body: Uint8Array;
  readonly now: Date;
  readonly maxRetryAfterMs: number;
  readonly random: () => number;
}

export interface Verdict {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly message: string;
  readonly hint: string;
  readonly retryAfterMs?: number;
  readonly said: RegistrySaid;
}

/** What a status alone means, or a code that outranks it. `why` ends the message: ": the image is private". */
interface Family {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly why?: string;
}

/**
 * What an answer means that is not what was asked for: the error, what may be done about it, and the words for the user
 * (registry-cases ERR-1 … ERR-5, RETRY-1, RETRY-4, RETRY-5). Pure.
 */
export function classifyResponse(facts: AnswerFacts): Verdict {
  const said = facts.status === 200 ? NOTHING_SAID : parseErrorBody(facts.body);
  const family = familyOf(facts, said);
  const waited = withRetryAfter(facts, family, said);
  const spoken = [
    String(facts.status),
    said.code,
    said.message === "" ? undefined : `"${said.message}"`,
  ];
  const answer = spoken.filter((part) => part !== undefined).join(" ");
  return {
    ...waited,
    message: `${facts.host} answered ${answer} for ${facts.what}${waited.why ?? ""}`,
    hint: hintFor(facts, waited, said),
    said,
  };
}

const NOTHING_SAID: RegistrySaid = { code: undefined, message: "", nested: false };

/** What is wrong with a manifest's answer of 200 before it is parsed; `undefined`: nothing (MAN-6, RETRY-3). */
export function classifyManifestBody(facts: AnswerFacts): Verdict | undefined {
  const problem = manifestProblem(facts.body);
  if (problem === undefined) return undefined;
  return {
    ...problem,
    hint: "Check the name of the registry; if it is right, try again later.",
    said: NOTHING_SAID,
  };

  function manifestProblem(
    body: Uint8Array,
  ): Pick<Verdict, "code" | "retry" | "message"> | undefined {
    if (body.length === 0) {
      const message = `${facts.host} sent an empty answer for ${facts.what}`;
      return { code: "ERR_MANIFEST_INVALID", retry: "once", message };
    }
    if (looksLikeHtml(body)) {
      const message = `${facts.host} answered with an HTML page, not a manifest, for ${facts.what}; is it a registry?`;
      return { code: "ERR_REGISTRY_PROTOCOL", retry: "once", message };
    }
    if (isJson(body)) return undefined;
    const message = `${facts.host} sent something that is not JSON for ${facts.what}; it may have been cut off`;
    return { code: "ERR_MANIFEST_INVALID", retry: "once", message };
  }
}

function isJson(body: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(body));
    return true;
  } catch {
    return false;
  }
}

function familyOf(facts: AnswerFacts, said: RegistrySaid): Family {
  if (said.code === "TOOMANYREQUESTS" || facts.status === 429) return rateLimited(said);
  if (said.code === "UNAVAILABLE") return { code: "ERR_REGISTRY_UNAVAILABLE", retry: "yes" };
  const nested = facts.status >= 500 && said.nested ? nestedFamily(said.code) : undefined;
  if (nested !== undefined) return nested;
  const oauthRefused = [400, 401, 404, 405].includes(facts.status);
  if (facts.kind === "token" && facts.method === "POST" && oauthRefused) {
    return { code: "ERR_AUTH_DENIED", retry: "tokenGet" };
  }
  const clientError = facts.status >= 400 && facts.status < 500;
  if (facts.sent === "redirected" && clientError && ![404, 408, 425].includes(facts.status)) {
    // An expired link: the registry gives a new one. A second time in a row this is the error (BLOB-6).
    return { code: "ERR_REGISTRY_UNAVAILABLE", retry: "fromRegistry" };
  }
  if (facts.status === 401) return unauthorized(facts);
  if (facts.status === 403) return forbidden(facts);
  return familyOfStatus(facts, said);
}

function familyOfStatus(facts: AnswerFacts, said: RegistrySaid): Family {
  const { status, kind } = facts;
  if (status === 402 || status === 407 || status === 451)
    return { code: "ERR_AUTH_DENIED", retry: "no" };
  if (status === 404 || status === 410 || (status === 400 && said.code === "NAME_INVALID")) {
    if (kind === "token") return { code: "ERR_REGISTRY_PROTOCOL", retry: "no" };
    const retry = facts.method === "HEAD" ? "get" : "no";
    const gone = kind === "manifest" ? "" : ": the manifest is there, but this blob is gone";
    return { code: "ERR_IMAGE_NOT_FOUND", retry, why: gone };
  }
  if ([408, 425, 500, 502, 503, 504].includes(status) || (status >= 520 && status <= 527)) {
    return { code: "ERR_REGISTRY_UNAVAILABLE", retry: "yes" };
  }
  if (status === 405 && facts.method === "HEAD") {
    return { code: "ERR_REGISTRY_PROTOCOL", retry: "get" };
  }
  return { code: "ERR_REGISTRY_PROTOCOL", retry: "no" };
}

/** A cache that wraps its upstream's refusal in a 500: the innermost code counts, and asking again does not help. */
function nestedFamily(code: string | undefined): Family | undefined {
  if (code === "DENIED" || code === "UNAUTHORIZED") return { code: "ERR_AUTH_DENIED", retry: "no" };
  const missing = ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"];
  return missing.includes(code ?? "") ? { code: "ERR_IMAGE_NOT_FOUND", retry: "no" } : undefined;
}

/** Docker Hub's pull limit is a window of hours (RETRY-5); every other limit passes by itself. */
function rateLimited(said: RegistrySaid): Family {
  const forHours = /pull rate limit/i.test(said.message);
  return { code: "ERR_RATE_LIMITED", retry: forHours ? "no" : "yes" };
}

const PRIVATE_OR_MISSING = ": the image does not exist, or is private";

function unauthorized(facts: AnswerFacts): Family {
  if (facts.kind === "token") return forbidden(facts);
  const challenges = parseChallenges(facts.challengeLines);
  const bearer = challenges.find(
    ({ scheme, params }) => scheme === "bearer" && (params.get("realm") ?? "") !== "",
  );
  if (facts.sent === "none") return unanswered(challenges, facts.basicAtHand === true);
  const anonymous = facts.sent === "anonymousToken";
  if (facts.sent === "basic") return { code: "ERR_AUTH_DENIED", retry: "no" };
  return {
    code: anonymous ? "ERR_AUTH_REQUIRED" : "ERR_AUTH_DENIED",
    retry: bearer === undefined || asksForNothingNew(bearer, facts) ? "no" : "refreshToken",
    why: anonymous ? PRIVATE_OR_MISSING : "",
  };
}

/** The first 401: the question is only whether we can answer it (CH-3). */
function unanswered(challenges: readonly Challenge[], hasBasic: boolean): Family {
  try {
    chooseChallenge(challenges, hasBasic, "it");
    return { code: "ERR_AUTH_REQUIRED", retry: "authenticate" };
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    return { code: error.code, retry: "no", why: `: ${error.message}` };
  }
}

/** `insufficient_scope` for a token that had this very scope: another one would be refused as well. */
function asksForNothingNew(bearer: Challenge, facts: AnswerFacts): boolean {
  if (bearer.params.get("error") !== "insufficient_scope") return false;
  const asked = (bearer.params.get("scope") ?? "").split(/\s+/).filter((scope) => scope !== "");
  const sent = facts.sentScopes;
  return sent === undefined || asked.every((scope) => sent.includes(scope));
}

function forbidden(facts: AnswerFacts): Family {
  const unnamed = facts.sent === "none" || facts.sent === "anonymousToken";
  if (unnamed) return { code: "ERR_AUTH_REQUIRED", retry: "no", why: PRIVATE_OR_MISSING };
  if (facts.kind === "token") return { code: "ERR_AUTH_DENIED", retry: "anonymous" };
  const retry = facts.method === "HEAD" ? "get" : "no";
  return { code: "ERR_AUTH_DENIED", retry, why: ", or it does not exist" };
}

/** Only 429 and 503 promise when to come back, by status or by code (RETRY-4). */
function withRetryAfter(
  facts: AnswerFacts,
  family: Family,
  said: RegistrySaid,
): Family & { readonly retryAfterMs?: number } {
  const promises = family.code === "ERR_RATE_LIMITED" || said.code === "UNAVAILABLE";
  if (family.retry !== "yes" || !(promises || facts.status === 503)) return family;
  const waitMs = parseRetryAfter(facts.header("retry-after"), facts.now);
  if (waitMs === undefined) return family;
  if (waitMs > facts.maxRetryAfterMs) {
    const why = `; it asks to wait ${Math.ceil(waitMs / 1000)} s`;
    return { code: "ERR_RATE_LIMITED", retry: "no", why };
  }
  return { ...family, retryAfterMs: waitMs + facts.random() * 1000 };
}

function hintFor(facts: AnswerFacts, family: Family, said: RegistrySaid): string {
  const host = sanitised(facts.host.split(",")[0] ?? "");
  if (facts.status === 400) {
    const hint = handshakeHint(host, said.message);
    if (hint !== undefined) return hint;
  }
  if (family.code === "ERR_AUTH_REQUIRED") {
    return `Check the name; if the image is private, log in with \`docker login ${host}\`.`;
  }
  if (family.code === "ERR_AUTH_DENIED") {
    // The words of Amazon ECR, whose logins last for 12 hours.
    if (/authorization token has expired/i.test(said.message)) {
      return `The stored login for ${host} has expired: log in again, with \`aws ecr get-login-password\` if this is Amazon ECR.`;
    }
    if (/read_package|read:packages/.test(said.message)) {
      return `The token of the stored login for ${host} needs read:packages, and the organisation's single sign-on if it has one.`;
    }
    return /expired/i.test(said.message)
      ? `The stored login for ${host} has expired: log in again.`
      : `Check that the account of the stored login for ${host} may pull this image.`;
  }
  if (family.code === "ERR_IMAGE_NOT_FOUND") return "Check the name and the tag of the image.";
  if (family.code === "ERR_RATE_LIMITED") {
    return /pull rate limit/i.test(said.message)
      ? "Log in with `docker login` to get a higher limit, or pull through a mirror."
      : "Wait, or import with a lower --concurrency.";
  }
  return "Try again later; if it repeats, ask the registry's operator.";
}

/** What nginx and Go's server say in http of what went wrong below it. */
function handshakeHint(host: string, message: string): string | undefined {
  if (/No required SSL certificate|SSL certificate error/i.test(message)) {
    return `It wants a client certificate: put one that it knows into /etc/docker/certs.d/${host} as NAME.cert, with its key as NAME.key.`;
  }
  return /plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server/i.test(message)
    ? `${host} speaks https: leave --plain-http out, or write https:// in the mirror's URL.`
    : undefined;
}
