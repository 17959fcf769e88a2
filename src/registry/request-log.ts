import type { HttpTarget } from "./http-target.ts";
import { printable } from "../errors.ts";

/** One request and what came of it, fit for a log: no header but Range, no query, no user info (registry-cases ERR-1). */
export interface RequestLine {
  readonly method: string;
  /** Where a query was, stands `?…`: a signed URL is a secret. */
  readonly url: string;
  readonly range?: string;
  /** None: no answer came. */
  readonly status?: number;
  /** Of the body. */
  readonly receivedBytes: number;
  /** Until the body had ended; the connection, where one had to be made, included. */
  readonly durationMs: number;
  /** Why the body, or the answer, did not come whole; `given up` when we had enough of it. */
  readonly failure?: string;
}

/** How an exchange ended. */
export interface ExchangeEnd {
  readonly status: number | undefined;
  readonly receivedBytes: number;
  readonly error: Error | undefined;
}

const URL_CHARACTERS = 500;

/** The address of a request without what may be a secret in it. */
export function loggedUrl({ origin, path }: HttpTarget): string {
  const [withoutQuery = "", ...query] = path.split("?");
  return printable(`${origin}${withoutQuery}${query.length > 0 ? "?…" : ""}`, URL_CHARACTERS);
}
