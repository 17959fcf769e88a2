import { ImportError } from "../errors.ts";
import { isObject, type JsonObject } from "../oci/json-object.ts";
import { conceal } from "./conceal.ts";
import { isHeaderValue } from "./header-value.ts";

/** A Bearer token. Its secrets are not enumerable: neither inspecting nor copying by spread shows them. */
export interface Token {
  readonly value: string;
  /** By our clock, from the moment of the answer (TOK-7). */
  readonly expiresAtMs: number;
  /** From here on a new one is to be fetched before use: 10 s or a tenth of its life before the end, whichever is less. */
  readonly renewAtMs: number;
  /** For the rest of the process only; never written (TOK-12). */
  readonly refreshToken?: string;
}

/** The most that a token server's answer may hold, bytes (containers/image `MaxAuthTokenBodySize`). */
export const TOKEN_ANSWER_BYTES: number = 1 << 20;

/** The distribution spec's default. Also the least: servers written for old clients say less and mean it less. */
const LEAST_LIFETIME_S = 60;
/** Keeps the arithmetic in range when a server says 1e300. */
const MOST_LIFETIME_S = 365 * 86_400;
const RENEW_BEFORE_MS = 10_000;

/**
 * Reads the answer of a token server: `token` or `access_token`, `expires_in`, `refresh_token` (TOK-3, TOK-7).
 * Its Content-Type says nothing and is not asked for.
 *
 * @param bytes the whole body, at most `TOKEN_ANSWER_BYTES`
 * @throws ImportError ERR_REGISTRY_PROTOCOL; `details.reason` is `too-large`, `not-json` (worth one more try: RETRY-3),
 *   `no-token` or `bad-token`
 */
export function parseTokenAnswer(bytes: Uint8Array, nowMs: number): Token {
  if (bytes.length > TOKEN_ANSWER_BYTES) {
    throw refused("too-large", `is larger than ${TOKEN_ANSWER_BYTES} bytes`);
  }
  const answer = parseObject(bytes);
  const value = tokenText(answer["access_token"]) ?? tokenText(answer["token"]);
  if (value === undefined) throw refused("no-token", "holds no token");
  const refreshToken = tokenText(answer["refresh_token"]);
  const lifetimeMs = lifetimeSeconds(answer["expires_in"]) * 1000;
  const expiresAtMs = nowMs + lifetimeMs;
  const renewAtMs = expiresAtMs - Math.min(RENEW_BEFORE_MS, lifetimeMs / 10);
  return refreshToken === undefined
    ? conceal<Token>({ value, expiresAtMs, renewAtMs }, "value")
    : conceal<Token>({ value, expiresAtMs, renewAtMs, refreshToken }, "value", "refreshToken");
}

function parseObject(bytes: Uint8Array): JsonObject {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Without the cause: V8's message quotes the text, which may be a token.
    throw refused("not-json", "is not JSON");
  }
  if (isObject(answer)) return answer;
  throw refused("no-token", "holds no token");
}

function tokenText(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  if (isHeaderValue(value)) return value;
  throw refused("bad-token", "holds a token with characters that no token may have");
}

function lifetimeSeconds(expiresIn: unknown): number {
  if (typeof expiresIn !== "number" || !(expiresIn > LEAST_LIFETIME_S)) return LEAST_LIFETIME_S;
  return Math.min(expiresIn, MOST_LIFETIME_S);
}

function refused(reason: string, what: string): ImportError {
  return new ImportError("ERR_REGISTRY_PROTOCOL", `the token server's answer ${what}`, {
    hint: "Try again; if it repeats, something between here and the token server answers in its place.",
    details: { reason },
  });
}
