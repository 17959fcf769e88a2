import { ImportError } from "../errors.ts";
import type { AnswerFacts, Sent, Verdict } from "./classify-response.ts";
import { classifyResponse } from "./classify-response.ts";
import { ERROR_BODY_BYTES } from "./error-body.ts";
import type { FollowedAnswer } from "./follow-redirects.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import { headerOf } from "./http-exchange.ts";
import { RequestFailure } from "./request-failure.ts";
import type { RetryState } from "./retry-plan.ts";

/** What the request was, for the verdict on its answer. */
export interface AskedFor {
  readonly method: "GET" | "POST";
  readonly kind: AnswerFacts["kind"];
  readonly what: string;
  /** For `details`: the normalised reference. */
  readonly reference: string;
  readonly sent: Sent;
  readonly sentScopes?: readonly string[] | undefined;
  readonly basicAtHand?: boolean | undefined;
  /** What no message may repeat, whatever the registry echoes. */
  readonly secrets: readonly string[];
}

/** Reads what there is of an error's body, within the clocks of the connection; never fails because of it (ERR-2). */
export async function readErrorBody(answer: HttpAnswer): Promise<Uint8Array> {
  // A 416 of distribution 2.8 promises the blob's length and sends a line: whoever waits for the rest waits for ever.
  if (answer.status === 416) {
    answer.body.cancel();
    return new Uint8Array();
  }
  try {
    const { bytes } = await answer.body.readAll(ERROR_BODY_BYTES);
    return bytes;
  } catch {
    return new Uint8Array();
  }
}

export function factsOf(
  followed: FollowedAnswer,
  asked: AskedFor,
  body: Uint8Array,
  retries: RetryState,
): AnswerFacts {
  const { status, headers } = followed.answer;
  return {
    method: asked.method,
    kind: asked.kind,
    sent: asked.sent,
    ...(asked.sentScopes === undefined ? {} : { sentScopes: asked.sentScopes }),
    ...(asked.basicAtHand === undefined ? {} : { basicAtHand: asked.basicAtHand }),
    host: followed.hosts,
    what: asked.what,
    status,
    header: (name) => headerOf(headers, name),
    challengeLines: challengeLines(followed.answer),
    body,
    now: new Date(),
    maxRetryAfterMs: retries.timing.maxRetryAfterMs,
    random: retries.random,
  };
}

export function challengeLines(answer: HttpAnswer): readonly string[] {
  const value = answer.headers["www-authenticate"];
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

/** The failure of one try, from the answer that nobody asked for. */
export function answerFailure(
  followed: FollowedAnswer,
  asked: AskedFor,
  body: Uint8Array,
  retries: RetryState,
): RequestFailure {
  return verdictFailure(classifyResponse(factsOf(followed, asked, body, retries)), followed, asked);
}

export function verdictFailure(
  verdict: Verdict,
  followed: FollowedAnswer,
  asked: AskedFor,
): RequestFailure {
  const { said } = verdict;
  const { status } = followed.answer;
  const error = new ImportError(verdict.code, withoutSecrets(verdict.message, asked.secrets), {
    hint: verdict.hint,
    details: {
      reference: asked.reference,
      host: followed.hosts,
      status,
      ...(said.code === undefined ? {} : { registryCode: said.code }),
      ...(said.message === ""
        ? {}
        : { registryMessage: withoutSecrets(said.message, asked.secrets) }),
    },
  });
  return new RequestFailure(error, {
    retry: verdict.retry,
    retryAfterMs: verdict.retryAfterMs,
    host: followed.target.host,
    status,
  });
}

/** Attack, or carelessness: a server that echoes the header it was sent. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= 4)
    .reduce((shown, secret) => shown.replaceAll(secret, "***"), text);
}
