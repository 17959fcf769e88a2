import type { FoundCredentials } from "../auth/credential-provider.ts";
import type { Token } from "../auth/token-answer.ts";
import { parseTokenAnswer, TOKEN_ANSWER_BYTES } from "../auth/token-answer.ts";
import type { TokenCredentials, TokenRequest, TokenRequestInput } from "../auth/token-request.ts";
import {
  basicAuthorization,
  buildTokenRequest,
  fallbackTokenRequest,
} from "../auth/token-request.ts";
import { ImportError } from "../errors.ts";
import type { AskedFor } from "./answer-verdict.ts";
import { answerFailure, readErrorBody } from "./answer-verdict.ts";
import type { Sent } from "./classify-response.ts";
import type { FollowedAnswer, Sender } from "./follow-redirects.ts";
import { followRedirects } from "./follow-redirects.ts";
import { parseTarget } from "./http-target.ts";
import { networkFailure } from "./network-error.ts";
import { RequestFailure } from "./request-failure.ts";
import { RetryPlan } from "./retry-plan.ts";

export interface TokenOrder {
  /** Without credentials. */
  readonly input: Omit<TokenRequestInput, "credentials">;
  readonly found: FoundCredentials | undefined;
  readonly reference: string;
  readonly signal: AbortSignal;
}

export interface IssuedToken {
  readonly token: Token;
  readonly anonymous: boolean;
  /** A stored login was refused, and a token was given without it (TOK-11). */
  readonly refusedLogin?: string;
}

/** TOK-6. */
const MAX_TOKEN_REDIRECTS = 3;

/**
 * Gets a token from the token server that a challenge names: with the credentials, in the other form if the server does
 * not know the first, and without them if it refuses them (registry-cases TOK-1 … TOK-3, TOK-10, TOK-11).
 *
 * @throws ImportError ERR_AUTH_REQUIRED, ERR_AUTH_DENIED, ERR_REGISTRY_PROTOCOL, ERR_NETWORK …
 */
export async function obtainToken(sender: Sender, order: TokenOrder): Promise<IssuedToken> {
  const credentials = tokenCredentials(order.found);
  const plan = new RetryPlan(sender.retries, whatOf(order));
  if (credentials === undefined) {
    const request = buildTokenRequest(order.input);
    return { token: await sendWithRetries(sender, order, request, plan), anonymous: true };
  }
  const input = { ...order.input, credentials };
  let request = buildTokenRequest(input);
  for (;;) {
    const outcome = await tryLogin(sender, order, request, plan);
    if (!(outcome instanceof TokenRefused)) return { token: outcome, anonymous: false };
    const fallback = fallbackTokenRequest(input, request, outcome.status);
    if (fallback === undefined) return withoutLogin(sender, order, outcome, plan);
    request = fallback;
  }
}

async function tryLogin(
  sender: Sender,
  order: TokenOrder,
  request: TokenRequest,
  plan: RetryPlan,
): Promise<Token | TokenRefused> {
  try {
    return await sendWithRetries(sender, order, request, plan);
  } catch (error) {
    if (error instanceof TokenRefused) return error;
    throw error;
  }
}

/** The refusal of one form of the request, not yet the last word. */
class TokenRefused extends Error {
  readonly status: number;
  readonly error: ImportError;
  /** The credential was refused, and not only the form. */
  readonly credential: boolean;

  constructor(failure: RequestFailure) {
    super(failure.message, { cause: failure.error });
    this.status = failure.facts.status ?? 0;
    this.error = failure.error;
    this.credential = failure.facts.retry === "anonymous" || failure.facts.retry === "tokenGet";
  }
}

/** GHCR refuses expired logins even for public images: once without, and a warning if that works (TOK-11). */
async function withoutLogin(
  sender: Sender,
  order: TokenOrder,
  refused: TokenRefused,
  plan: RetryPlan,
): Promise<IssuedToken> {
  const origin = order.found?.origin ?? "";
  if (!refused.credential) throw refused.error;
  try {
    const token = await sendWithRetries(sender, order, buildTokenRequest(order.input), plan);
    return { token, anonymous: true, refusedLogin: origin };
  } catch (error) {
    if (order.signal.aborted) throw error;
    const { code, message, details } = refused.error;
    throw new ImportError(code, message, {
      hint: `The login from ${origin} was refused: log in again, or remove it with \`docker logout\`.`,
      details,
    });
  }
}

async function sendWithRetries(
  sender: Sender,
  order: TokenOrder,
  request: TokenRequest,
  plan: RetryPlan,
): Promise<Token> {
  for (;;) {
    try {
      return await sendOnce(sender, order, request);
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      const { status, retry } = error.facts;
      // 405 to GET: some servers know the other form only, which `fallbackTokenRequest` decides.
      const refused = retry === "tokenGet" || retry === "anonymous" || status === 405;
      if (refused && request.grant !== "anonymous") throw new TokenRefused(error);
      await plan.next(error, order.signal);
    }
  }
}

async function sendOnce(sender: Sender, order: TokenOrder, request: TokenRequest): Promise<Token> {
  const first = parseTarget(request.url);
  if (typeof first === "string") throw new Error(`a token request to an address that is ${first}`);
  const { authorization, ...headers } = request.headers;
  const followed = await followRedirects(sender, {
    first,
    method: request.method,
    headers,
    body: request.body,
    lane: "api",
    what: whatOf(order),
    maxHops: MAX_TOKEN_REDIRECTS,
    signal: order.signal,
    authorizationFor: (target) => (target.origin === first.origin ? authorization : undefined),
  });
  if (followed.answer.status !== 200) {
    const asked = askedFor(order, request);
    const body = await readErrorBody(followed.answer);
    throw answerFailure(followed, asked, body, sender.retries);
  }
  return readToken(followed, order);
}

async function readToken(followed: FollowedAnswer, order: TokenOrder): Promise<Token> {
  const host = followed.target.host;
  let bytes: Uint8Array;
  try {
    // One byte more than allowed, so that the parser sees that it was too much.
    ({ bytes } = await followed.answer.body.readAll(TOKEN_ANSWER_BYTES + 1));
  } catch (error) {
    const { reference } = order;
    const what = whatOf(order);
    throw networkFailure(error, { host: followed.hosts, what, reference, beforeAnswer: false });
  }
  try {
    return parseTokenAnswer(bytes, Date.now());
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const retry = error.details["reason"] === "not-json" ? "once" : "no";
    const named = new ImportError(error.code, `${host}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      details: { ...error.details, reference: order.reference, host },
    });
    throw new RequestFailure(named, { retry, host });
  }
}

function askedFor(order: TokenOrder, request: TokenRequest): AskedFor {
  const sent: Readonly<Record<TokenRequest["grant"], Sent>> = {
    anonymous: "none",
    basic: "basic",
    password: "basic",
    "refresh-token": "identityToken",
    "refresh-token-as-password": "identityToken",
  };
  return {
    method: request.method,
    kind: "token",
    what: whatOf(order),
    reference: order.reference,
    sent: sent[request.grant],
    secrets: secretsOf(order.found),
  };
}

function whatOf(order: TokenOrder): string {
  return `the token for ${order.reference}`;
}

function tokenCredentials(found: FoundCredentials | undefined): TokenCredentials | undefined {
  const credentials = found?.credentials;
  return credentials === undefined || credentials.kind === "registry-token"
    ? undefined
    : credentials;
}

/** What a server that echoes its request may send back: the secret itself, in a header, in a form. */
export function secretsOf(found: FoundCredentials | undefined): readonly string[] {
  const credentials = found?.credentials;
  if (credentials === undefined) return [];
  const [username, secret] =
    credentials.kind === "basic"
      ? [credentials.username, credentials.password]
      : ["", credentials.token];
  const header = basicAuthorization({ username, password: secret }).slice("Basic ".length);
  const inForm = new URLSearchParams({ secret }).toString().slice("secret=".length);
  return [...new Set([secret, header, inForm, encodeURIComponent(secret)])];
}
