import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseLayoutReference } from "../../src/source/layout-reference.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const HEX = "a1".repeat(32);
const DIGEST = { text: `sha256:${HEX}`, algorithm: "sha256", hex: HEX };

function directory(name: string): string {
  const path = join(scratchDirectory(), name);
  mkdirSync(path);
  return path;
}

test("DIR, DIR:TAG, DIR@DIGEST and both", async () => {
  const path = directory("layout");
  expect(await parseLayoutReference(path)).toEqual({ path, selector: undefined });
  expect(await parseLayoutReference(`${path}:1.2`)).toEqual({ path, selector: { tag: "1.2" } });
  const byDigest = { path, selector: { digest: DIGEST } };
  expect(await parseLayoutReference(`${path}@sha256:${HEX}`)).toEqual(byDigest);
  expect(await parseLayoutReference(`${path}:1.2@sha256:${HEX}`)).toEqual(byDigest);
});

test("a directory with a colon or an @ in its name", async () => {
  for (const name of ["a:b", "a@b", "a:b@c:d"]) {
    const path = directory(name);
    expect(await parseLayoutReference(path)).toEqual({ path, selector: undefined });
    expect(await parseLayoutReference(`${path}:1`)).toEqual({ path, selector: { tag: "1" } });
    const { selector } = await parseLayoutReference(`${path}@sha256:${HEX}`);
    expect(selector).toEqual({ digest: DIGEST });
  }
});

test("the longest directory wins, and a tag may be a whole reference", async () => {
  const path = directory("x");
  mkdirSync(`${path}:y`);
  expect(await parseLayoutReference(`${path}:y:z`)).toEqual({
    path: `${path}:y`,
    selector: { tag: "z" },
  });
  const tag = "docker.io/library/app:3";
  expect(await parseLayoutReference(`${path}:${tag}`)).toEqual({ path, selector: { tag } });
});

test.each([
  ["", "ERR_REFERENCE_INVALID", /no directory/],
  ["a\0b", "ERR_REFERENCE_INVALID", /no directory/],
  ["x".repeat(5000), "ERR_REFERENCE_INVALID", /no directory/],
  ["no/such/dir:1.2", "ERR_IMAGE_NOT_FOUND", /"no\/such\/dir"$/],
  [`no/such/dir@sha256:${HEX}`, "ERR_IMAGE_NOT_FOUND", /"no\/such\/dir"$/],
])("%j is refused", async (text, code, message) => {
  const error = await importErrorFrom(parseLayoutReference(text));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test("an empty tag, a wrong digest and a file are refused", async () => {
  const path = directory("layout");
  expect((await importErrorFrom(parseLayoutReference(`${path}:`))).message).toMatch(/tag is empty/);
  expect((await importErrorFrom(parseLayoutReference(`${path}@sha256:00`))).message).toMatch(
    /not a digest/,
  );
  writeFileSync(join(path, "file"), "");
  expect((await importErrorFrom(parseLayoutReference(join(path, "file")))).code).toBe(
    "ERR_IMAGE_NOT_FOUND",
  );
});
