import fc from "fast-check";
import { expect, test } from "vitest";
import {
  chooseChallenge,
  parseChallenges,
  type Challenge,
} from "../../src/auth/parse-challenges.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

function plain(challenges: readonly Challenge[]): unknown {
  return challenges.map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);
}

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/);
const hostileLine = fc
  .array(
    fc.oneof(
      fc.constantFrom("Bearer", "Basic", "realm", "=", '"', "\\", ",", " ", "\t", ";", "==", "/"),
      fc.string({ maxLength: 6, unit: "binary" }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

test("any header text gives challenges or nothing, and choosing gives one or an ImportError", () => {
  fc.assert(
    fc.property(fc.array(hostileLine, { maxLength: 4 }), fc.boolean(), (lines, hasCredentials) => {
      const challenges = parseChallenges(lines);
      for (const { scheme, params } of challenges) {
        expect(scheme).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
        for (const name of params.keys()) expect(name).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
      }
      const outcome = outcomeOf(() => {
        expect(challenges).toContain(chooseChallenge(challenges, hasCredentials));
      });
      expect(["ok", "ERR_AUTH_REQUIRED", "ERR_REGISTRY_PROTOCOL"]).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});

test("lines read the same when something on the way joined them", () => {
  const lineWithoutQuotes = hostileLine.map((line) => line.replaceAll('"', ""));
  fc.assert(
    fc.property(fc.array(lineWithoutQuotes, { maxLength: 5 }), (lines) => {
      expect(plain(parseChallenges([lines.join(", ")]))).toEqual(plain(parseChallenges(lines)));
    }),
  );
});

const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;

test("challenges that are written by the grammar are read as they were written", () => {
  const value = fc.oneof(
    token.map((text) => ({ text, written: text })),
    fc.string({ maxLength: 12 }).map((text) => ({ text, written: quoted(text) })),
  );
  const challenge = fc.record({
    scheme: token,
    params: fc.uniqueArray(fc.record({ name: token, value }), {
      maxLength: 4,
      selector: ({ name }) => name.toLowerCase(),
    }),
  });
  const blank = fc.constantFrom("", " ", "\t", "  ");
  fc.assert(
    fc.property(
      fc.array(challenge, { maxLength: 4 }),
      blank,
      blank,
      (challenges, before, after) => {
        const line = challenges
          .map(({ scheme, params }) => {
            const written = params.map(
              (one) => `${one.name}${before}=${after}${one.value.written}`,
            );
            return `${scheme} ${written.join(`${before},${after}`)}`;
          })
          .join(`${after}, `);
        expect(plain(parseChallenges([line]))).toEqual(
          challenges.map(({ scheme, params }) => [
            scheme.toLowerCase(),
            Object.fromEntries(params.map((one) => [one.name.toLowerCase(), one.value.text])),
          ]),
        );
      },
    ),
  );
});

// With anything worse than linear time, a megabyte takes minutes and the test runs out of time.
test.each([
  ["one open quote", `Bearer realm="${"a".repeat(1e6)}`],
  ["only quotes", `Bearer realm=${'"'.repeat(1e6)}`],
  ["only escapes", `Bearer realm="${"\\\\".repeat(5e5)}`],
  ["a token without end", `Bearer ${"a".repeat(1e6)}!`],
  ["a token68 that is none", `Bearer ${"=".repeat(1e6)}x`],
  ["blanks", `Bearer ${" ".repeat(1e6)}x`],
  ["tokens and blanks", "a    ".repeat(2e5)],
  ["commas", ",".repeat(1e6)],
  ["challenges", "Bearer a=b, ".repeat(8e4)],
  ["parameters of one name", `Bearer ${'realm="x" '.repeat(1e5)}`],
  ["bytes outside the grammar", "é{}()<>@:;[]?".repeat(8e4)],
])("a header of a megabyte is read in time: %s", (_name, line) => {
  expect(parseChallenges([line]).length).toBeLessThanOrEqual(200_000);
});

test("a scheme whose comma is missing still begins a challenge", () => {
  expect(plain(parseChallenges(['Bearer realm="https://r/t" Basic realm="x"']))).toEqual([
    ["bearer", { realm: "https://r/t" }],
    ["basic", { realm: "x" }],
  ]);
});

test("words after an unquoted value are dropped, not taken for schemes", () => {
  expect(plain(parseChallenges(["Basic realm=GitHub Package Registry"]))).toEqual([
    ["basic", { realm: "GitHub" }],
  ]);
});

test("an unquoted URL with a query is one value", () => {
  expect(plain(parseChallenges(["Bearer realm=https://r/t?a=b&c=d,service=s"]))).toEqual([
    ["bearer", { realm: "https://r/t?a=b&c=d", service: "s" }],
  ]);
});

test("a parameter on a line of its own belongs to the challenge before it", () => {
  expect(plain(parseChallenges(['Bearer realm="https://r/t"', 'service="s"']))).toEqual([
    ["bearer", { realm: "https://r/t", service: "s" }],
  ]);
});

test("a parameter called __proto__ or constructor is a parameter", () => {
  const [challenge] = parseChallenges(["Bearer __proto__=a, constructor=b"]);
  expect(challenge?.params.get("__proto__")).toBe("a");
  expect(challenge?.params.get("toString")).toBeUndefined();
});

test("without a challenge that can be answered the message names the registry", () => {
  expect(() => chooseChallenge([], true, "ghcr.io")).toThrow(/^ghcr\.io .*no WWW-Authenticate/);
});

test("a thousand unknown schemes make a short message", () => {
  const many = parseChallenges([Array.from({ length: 1000 }, (_, at) => `Scheme${at}`).join(", ")]);
  const error = importErrorOf(() => chooseChallenge(many, true));
  expect(error.code).toBe("ERR_REGISTRY_PROTOCOL");
  expect(error.message.length).toBeLessThan(300);
});
