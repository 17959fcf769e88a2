import { expect, test } from "vitest";
import type { AnswerFacts } from "../../src/registry/classify-response.ts";
import { classifyResponse } from "../../src/registry/classify-response.ts";

function answer(status: number, headers: Readonly<Record<string, string>>, body = ""): AnswerFacts {
  return {
    method: "GET",
    kind: "manifest",
    sent: "token",
    host: "registry.example.com",
    what: "the manifest of registry.example.com/team/app:1",
    status,
    header: (name) => headers[name],
    challengeLines: [],
    body: Buffer.from(body),
    now: new Date("2026-01-01T00:00:00Z"),
    maxRetryAfterMs: 60_000,
    random: () => 0,
  };
}

test.each([
  [429, "", 5000],
  [503, "", 5000],
  [400, '{"errors":[{"code":"TOOMANYREQUESTS"}]}', 5000],
  [500, '{"errors":[{"code":"UNAVAILABLE"}]}', 5000],
  [500, "", undefined],
  [502, "", undefined],
])("Retry-After on %i %s: a wait of %s ms", (status, body, waitMs) => {
  const verdict = classifyResponse(answer(status, { "retry-after": "5" }, body));
  expect(verdict).toMatchObject({ retry: "yes" });
  expect(verdict.retryAfterMs).toBe(waitMs);
});

test("a 407 is a login that a proxy wants, not a registry that errs", () => {
  expect(classifyResponse(answer(407, {}))).toMatchObject({
    code: "ERR_AUTH_DENIED",
    retry: "no",
  });
});
