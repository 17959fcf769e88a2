import fc from "fast-check";
import { expect, test } from "vitest";
import { deriveImageName } from "../../src/oci/image-name.ts";
import { parseReference } from "../../src/oci/parse-reference.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

const SHA256 = `sha256:${"a1".repeat(32)}`;

test("a Hub name gets its host, library/ and the tag latest", () => {
  expect(parseReference("alpine")).toEqual({
    registry: "docker.io",
    repository: "library/alpine",
    tag: "latest",
    digest: null,
    canonical: "docker.io/library/alpine:latest",
    familiar: "alpine:latest",
    apiHost: "registry-1.docker.io",
    snapshotName: "alpine",
  });
});

test("a digest alone leaves no tag, and a tag beside it is kept", () => {
  expect(parseReference(`ghcr.io/org/app@${SHA256}`).tag).toBeNull();
  const both = parseReference(`ghcr.io/org/app:1@${SHA256}`);
  expect(both.tag).toBe("1");
  expect(both.digest?.text).toBe(SHA256);
  expect(both.canonical).toBe(`ghcr.io/org/app:1@${SHA256}`);
});

test("library/ stays in the familiar name when it has more parts", () => {
  expect(parseReference("library/a/b").familiar).toBe("library/a/b:latest");
  expect(parseReference("library/a").familiar).toBe("a:latest");
});

test.each([
  ["a prefix is shown without it", "docker://ghcr.io/a/b:1", /docker:\/\//, /: ghcr\.io\/a\/b:1/],
  ["an upper-case name suggests the lower one", "docker.io/Org/App", /lowercase/, /org\/app/],
  [
    "a foreign algorithm lists what is supported",
    "alpine@md5:" + "d".repeat(32),
    /digest/,
    /sha512/,
  ],
  ["an international host asks for punycode", "пример.рф/a", /ASCII/, /xn--/],
  ["white space is named", "alpine:3 .20", /white space/, /^$/],
  ["a bad port is named", "h.example:70000/a", /port 70000/, /^$/],
  ["an empty reference gives an example", "", /empty/, /alpine/],
  ["a bad tag is shown", "alpine:-x", /"-x" is not a tag/, /128/],
  ["a bad path is shown", "h.example/a//b", /"a\/\/b" is not a repository name/, /a-z/],
  ["an absolute path", "/srv/layout", /it is a path/, /oci:\/srv\/layout/],
  ["a relative path", "./layout:1", /it is a path/, /oci:\.\/layout:1/],
])("%s", (_, text, message, hint) => {
  const error = importErrorOf(() => parseReference(text));
  expect(error.code).toBe("ERR_REFERENCE_INVALID");
  expect(error.message).toMatch(message);
  expect(error.hint ?? "").toMatch(hint);
});

test.each([
  "user:hunter2@registry.example/app",
  "https://user:hunter2@registry.example/app",
  "https://user:hunter2@registry.example",
  "user:hunter2@registry.example:5000/app:1",
  `user:hunter2@registry.example/app@${SHA256}`,
  "user:hunter2/x@registry.example",
  "USER:hunter2@registry.example/app",
  "user:hunter2%@registry.example/app",
])("a password typed into %s does not come back", (text) => {
  const error = importErrorOf(() => parseReference(text));
  expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain("hunter2");
});

test("control characters of a reference are not printed raw", () => {
  expect(importErrorOf(() => parseReference("a\u001b[31mb")).message).not.toContain("\u001b");
});

const name = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?$/);
const host = fc.constantFrom("", "localhost/", "h.example:5000/", "[::1]/", "Host/", "docker.io/");
const parts = fc.record({
  host,
  path: fc.array(name, { minLength: 1, maxLength: 4 }).map((it) => it.join("/")),
  tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined }),
  digest: fc.option(fc.constant(SHA256), { nil: undefined }),
});

test("every reference that the grammar can make parses, and its canonical form parses to itself", () => {
  fc.assert(
    fc.property(parts, ({ host: prefix, path, tag, digest }) => {
      const suffix =
        (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
      const text = `${prefix}${path}${suffix}`;
      fc.pre(!/^[a-f0-9]{64}$/.test(text));
      const reference = parseReference(text);
      expect(parseReference(reference.canonical)).toEqual(reference);
      // Docker's familiar form of docker.io/a.b/c is a.b/c, which is another reference.
      const ambiguous = /^[^/]*\..*\//.test(reference.familiar);
      const familiar = ambiguous ? reference : parseReference(reference.familiar);
      expect(familiar).toEqual(reference);
      expect(reference.snapshotName).toBe(deriveImageName(text));
      expect(reference.tag).toBe(tag ?? (digest === undefined ? "latest" : null));
    }),
  );
});

const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[a-zA-Z0-9.:/@_\-[\]%]{0,40}$/),
);

test("any text gives a reference that is safe in a URL, or ERR_REFERENCE_INVALID", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const outcome = outcomeOf(() => {
        const { repository } = parseReference(text);
        expect(repository).toMatch(/^[a-z0-9][a-z0-9._/-]*$/);
        expect(repository.split("/")).not.toContain("..");
      });
      expect(["ok", "ERR_REFERENCE_INVALID"]).toContain(outcome);
    }),
    { numRuns: 2000 },
  );
});

test("a long reference is refused at once, not after a search through all its splits", () => {
  for (const unit of ["a", "a-", "A.", "0:", "a/", "@"]) {
    expect(importErrorOf(() => parseReference(unit.repeat(500_000))).code).toBe(
      "ERR_REFERENCE_INVALID",
    );
    expect(importErrorOf(() => parseReference(`${unit.repeat(2000 / unit.length)}!`)).code).toBe(
      "ERR_REFERENCE_INVALID",
    );
  }
});
