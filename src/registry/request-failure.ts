import type { ImportError } from "../errors.ts";

/**
 * What may follow an answer or a broken connection:
 * `no`; `yes`: the same request again, within the budget; `once`: again, but only once; `authenticate`: answer the
 * challenge; `refreshToken`: once with a fresh token; `anonymous`: the token request once without the credential;
 * `tokenGet`: the token request as GET; `get`: GET instead of HEAD; `fromRegistry`: once more through the registry,
 * since the link it gave is no longer good.
 */
export type Retry =
  | "no"
  | "yes"
  | "once"
  | "authenticate"
  | "refreshToken"
  | "anonymous"
  | "tokenGet"
  | "get"
  | "fromRegistry";

export interface FailureFacts {
  readonly retry: Retry;
  /** The server's own wish, jitter included; without it the client's back-off counts. */
  readonly retryAfterMs?: number | undefined;
  /** Whose wish that is. */
  readonly host: string;
  readonly status?: number | undefined;
  /** The connection broke before any answer: perhaps the server had closed it while it was idle (CONN-3). */
  readonly staleConnection?: boolean | undefined;
}

/** One failed try, inside the registry client: the error that the user gets if nothing more helps, and what may help. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  readonly error: ImportError;
  readonly facts: FailureFacts;

  constructor(error: ImportError, facts: FailureFacts) {
    super(error.message, { cause: error });
    this.error = error;
    this.facts = facts;
  }
}
