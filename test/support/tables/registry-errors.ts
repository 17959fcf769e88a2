import { parseTokenAnswer } from "../../../src/auth/token-answer.ts";
import { ImportError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import { parseManifest } from "../../../src/oci/parse-manifest.ts";
import type { AnswerFacts, Sent } from "../../../src/registry/classify-response.ts";
import { classifyManifestBody, classifyResponse } from "../../../src/registry/classify-response.ts";
import { DEFAULT_TIMING } from "../../../src/registry/request-timing.ts";
import type { JsonObject } from "./expect-row.ts";
import { isObject, textOf } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** `registry-errors.json`: one answer of a registry or token server → the error it becomes, and what may be tried. */
export const tableRunner: TableRunner = { run: async (row) => run(row) };

interface Outcome {
  readonly code: string;
  readonly retry: string;
  readonly retryAfterMs?: number | undefined;
  /** Everything that a user may be shown. */
  readonly shown: string;
}

function run(row: JsonObject): string | undefined {
  const expect = objectOf(row, "expect");
  const outcome = outcomeOf(factsOf(row));
  const wrong = [
    compare("code", outcome.code, expect["code"] ?? "NONE"),
    compare("retry", outcome.retry, expect["retry"] ?? "no"),
    compareDelay(outcome.retryAfterMs, expect["retryAfterMs"]),
    ...partsOf(expect["messageContains"]).map((part) =>
      outcome.shown.toLowerCase().includes(part.toLowerCase())
        ? undefined
        : `expected a message with ${JSON.stringify(part)}, got ${JSON.stringify(outcome.shown)}`,
    ),
    /[\p{Cc}]|<html/iu.test(outcome.shown.replace("\n", ""))
      ? `the message is not fit to show: ${JSON.stringify(outcome.shown)}`
      : undefined,
  ].filter((failure) => failure !== undefined);
  return wrong.length === 0 ? undefined : wrong.join("; ");
}

function outcomeOf(facts: AnswerFacts): Outcome {
  if (facts.status === 200) return outcomeOfContent(facts);
  const verdict = classifyResponse(facts);
  return { ...verdict, shown: `${verdict.message}\n${verdict.hint}` };
}

/** What is wrong with an answer of 200 shows when it is read. */
function outcomeOfContent(facts: AnswerFacts): Outcome {
  try {
    if (facts.kind === "token") parseTokenAnswer(facts.body, facts.now.getTime());
    if (facts.kind !== "manifest") return { code: "NONE", retry: "no", shown: "" };
    const verdict = classifyManifestBody(facts);
    if (verdict !== undefined) return { ...verdict, shown: `${verdict.message}\n${verdict.hint}` };
    const mediaType = facts.header("content-type");
    parseManifest(facts.body, { mediaType, what: facts.what, limits: DEFAULT_LIMITS });
    return { code: "NONE", retry: "no", shown: "" };
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const retry = error.details["reason"] === "not-json" ? "once" : "no";
    return { code: error.code, retry, shown: `${error.message}\n${error.hint ?? ""}` };
  }
}

function factsOf(row: JsonObject): AnswerFacts {
  const request = objectOf(row, "request");
  const response = objectOf(row, "response");
  const headers = objectOf(response, "headers");
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const challenge = headers["www-authenticate"];
  const sent = oneOf<Sent>(textOf(request, "sent"), SENT);
  return {
    method: oneOf(textOf(request, "method", "GET"), ["GET", "HEAD", "POST"]),
    kind: oneOf(textOf(request, "kind"), ["manifest", "config", "blob", "token"]),
    sent,
    sentScopes: ["repository:team/app:pull"],
    host: "registry.example.com",
    what: `the ${textOf(request, "kind")} of registry.example.com/team/app:1`,
    status: Number(response["status"]),
    header,
    challengeLines: Array.isArray(challenge)
      ? partsOf(challenge)
      : partsOf([header("www-authenticate")]),
    body: Buffer.from(bodyOf(response)),
    now: new Date(textOf(row, "now", "2026-01-01T00:00:00Z")),
    maxRetryAfterMs: DEFAULT_TIMING.maxRetryAfterMs,
    random: Math.random,
  };
}

const SENT: readonly Sent[] = [
  "none",
  "anonymousToken",
  "token",
  "basic",
  "identityToken",
  "redirected",
];

function bodyOf(response: JsonObject): string {
  const { body } = response;
  return isObject(body) ? JSON.stringify(body) : textOf(response, "body", "");
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw new Error(`unknown word in the row: ${text}`);
  return found;
}

function compare(field: string, actual: string, expected: unknown): string | undefined {
  return actual === expected ? undefined : `${field}: expected ${String(expected)}, got ${actual}`;
}

function compareDelay(actual: number | undefined, expected: unknown): string | undefined {
  if (!isObject(expected)) {
    return actual === undefined ? undefined : `a delay of ${actual} ms that nobody asked for`;
  }
  const fits =
    actual !== undefined && actual >= Number(expected["min"]) && actual <= Number(expected["max"]);
  return fits ? undefined : `expected a delay as ${JSON.stringify(expected)}, got ${actual}`;
}

function partsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((part) => typeof part === "string") : [];
}

function objectOf(row: JsonObject, field: string): JsonObject {
  const value = row[field];
  if (isObject(value)) return value;
  throw new Error(`the row's \`${field}\` is no object`);
}
