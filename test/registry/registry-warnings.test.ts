import { expect, test } from "vitest";
import { RegistryWarnings } from "../../src/registry/registry-warnings.ts";

function shown(...lines: readonly (string | string[])[]): readonly string[] {
  const messages: string[] = [];
  const warnings = new RegistryWarnings(({ message }) => messages.push(message));
  for (const warning of lines) warnings.take({ headers: { warning } }, "r.example");
  return messages;
}

function warningOf(letter: string): string {
  return `299 - "${letter.repeat(3000)}"`;
}

test("CONN-7: a warning is shown once, with who says it, and is fit to show", () => {
  expect(shown('299 - "moved to \\"new\\""', '299 - "moved to \\"new\\""')).toEqual([
    'r.example says: "moved to "new""',
  ]);
  expect(shown('299 - "a\u001b[31mb?c"', '299 - "https://x.example/y?sig=fake"')).toEqual([
    expect.not.stringContaining("\u001b"),
    expect.not.stringContaining("fake"),
  ]);
});

test("CONN-7: several on a line and on several lines are as many, three at most", () => {
  expect(shown('299 - "a", 299 - "b"', ['299 - "c"', '299 - "d"'])).toHaveLength(3);
});

test("CONN-7: other codes, agents and forms are not for us", () => {
  const others = ['199 - "x"', '299 host "x"', "299 - x", '299 - ""', '299 - "open', ""];
  expect(shown(...others)).toEqual([]);
});

test("CONN-7: more than 4096 bytes in all are not shown", () => {
  expect(
    shown(warningOf("a"), warningOf("b"), '299 - "c"').map((line) => line.slice(0, 20)),
  ).toEqual(['r.example says: "aaa', 'r.example says: "c"']);
});
