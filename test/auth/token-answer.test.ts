import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTokenAnswer, TOKEN_ANSWER_BYTES } from "../../src/auth/token-answer.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

const NOW = 1_700_000_000_000;

function read(answer: unknown): ReturnType<typeof parseTokenAnswer> {
  const text = typeof answer === "string" ? answer : JSON.stringify(answer);
  return parseTokenAnswer(Buffer.from(text), NOW);
}

function reasonOf(answer: unknown): unknown {
  const { code, details, cause } = importErrorOf(() => read(answer));
  return [code, details["reason"], cause];
}

test.each([
  [{ token: "fake-a" }, "fake-a"],
  [{ access_token: "fake-b" }, "fake-b"],
  [{ token: "fake-a", access_token: "fake-b" }, "fake-b"],
  [{ token: "fake-a", access_token: "" }, "fake-a"],
  [{ token: "fake-a", access_token: null, issued_at: "never" }, "fake-a"],
])("the token of %j is %s", (answer, value) => {
  expect(read(answer).value).toBe(value);
});

test.each([
  [undefined, 60],
  [0, 60],
  [-1, 60],
  [59, 60],
  ["300", 60],
  [null, 60],
  [300, 300],
  [90.5, 90.5],
  [1e300, 365 * 86_400],
])("expires_in %j means %i seconds from our clock", (expiresIn, seconds) => {
  expect(read({ token: "fake", expires_in: expiresIn }).expiresAtMs).toBe(NOW + seconds * 1000);
});

test("a token is renewed a tenth of its life before the end, or ten seconds, whichever is less", () => {
  expect(read({ token: "fake", expires_in: 60 }).renewAtMs).toBe(NOW + 54_000);
  expect(read({ token: "fake", expires_in: 3600 }).renewAtMs).toBe(NOW + 3_590_000);
});

test("a refresh token is kept", () => {
  expect(read({ token: "fake", refresh_token: "fake-r" }).refreshToken).toBe("fake-r");
  expect(read({ token: "fake" }).refreshToken).toBeUndefined();
});

test.each([
  ["<html>hunter2</html>", "not-json"],
  ["", "not-json"],
  ["{}", "no-token"],
  ["[]", "no-token"],
  ["null", "no-token"],
  ['"hunter2"', "no-token"],
  [{ token: "" }, "no-token"],
  [{ token: 5 }, "no-token"],
  [{ token: "abc\r\nX-Evil: 1" }, "bad-token"],
  [{ token: "abc\u0000" }, "bad-token"],
  [{ access_token: "abc\u007f" }, "bad-token"],
  [{ token: "schlüssel" }, "bad-token"],
  [{ token: "x".repeat(TOKEN_ANSWER_BYTES) }, "too-large"],
])("an answer is refused (row %#)", (answer, reason) => {
  expect(reasonOf(answer)).toEqual(["ERR_REGISTRY_PROTOCOL", reason, undefined]);
});

test("any bytes give a token or an ImportError", () => {
  const answer = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({ token: fc.jsonValue(), expires_in: fc.jsonValue() }, { requiredKeys: [] })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(answer, (bytes) => {
      const outcome = outcomeOf(() => {
        expect(parseTokenAnswer(bytes, NOW).expiresAtMs).toBeGreaterThanOrEqual(NOW + 60_000);
      });
      expect(["ok", "ERR_REGISTRY_PROTOCOL"]).toContain(outcome);
    }),
  );
});
