import fc from "fast-check";
import { expect, test } from "vitest";
import type { HttpTarget } from "../../src/registry/http-target.ts";
import { parseTarget, resolveTarget } from "../../src/registry/http-target.ts";

function target(url: string): HttpTarget {
  const parsed = parseTarget(url);
  if (typeof parsed === "string") throw new Error(`${url} is ${parsed}`);
  return parsed;
}

test("the path and query of a signed URL stay byte for byte as they were sent", () => {
  const path = "/a%2Fb/../c~d/%7e?X-Sig=a%2Fb+c~d%3D&e=1&x='|{}";
  expect(target(`https://CDN.example.com:443${path}`)).toEqual({
    scheme: "https",
    hostname: "cdn.example.com",
    host: "cdn.example.com",
    origin: "https://cdn.example.com",
    path,
  });
});

test("spaces, control characters and other letters are escaped, since they would break the request line", () => {
  expect(target("http://h/a b\r\nX-Evil: 1?é").path).toBe("/a%20b%0D%0AX-Evil:%201?%C3%A9");
});

test("half a surrogate pair, which JSON may hold, is the replacement character as in every browser", () => {
  const url = "https://h/a\ud800b?\udc00";
  expect(target(url).path).toBe("/a%EF%BF%BDb?%EF%BF%BD");
  expect(`https://h${target(url).path}`).toBe(new URL(url).href);
});

test("a fragment is not sent", () => {
  expect(target("http://h/a?b#c").path).toBe("/a?b");
});

test("the host is normalised, so that odd spellings of 127.0.0.1 are seen for what they are", () => {
  expect(target("http://0x7f.1/").hostname).toBe("127.0.0.1");
  expect(target("http://[::1]:5000/")).toMatchObject({ hostname: "::1", host: "[::1]:5000" });
});

test.each([
  ["file:///etc/passwd", "scheme"],
  ["http://user:pw@host/", "user info"],
  ["http://user@host", "user info"],
  ["https:nothing", "unreadable"],
  ["https:///path", "unreadable"],
  ["no url", "unreadable"],
  ["http://a b/", "unreadable"],
])("%s is refused as %s", (url, problem) => {
  expect(parseTarget(url)).toBe(problem);
});

test.each([
  ["/elsewhere", "https://r.example/elsewhere"],
  ["next?x=%2F", "https://r.example/v2/a/blobs/next?x=%2F"],
  ["../up", "https://r.example/v2/a/up"],
  ["./here", "https://r.example/v2/a/blobs/here"],
  ["../../../../../top", "https://r.example/top"],
  ["?q=1", "https://r.example/v2/a/blobs/sha256:1?q=1"],
  ["//other.example/p", "https://other.example/p"],
  ["  http://other.example/p  ", "http://other.example/p"],
])("the Location %s leads to %s", (location, expected) => {
  const resolved = resolveTarget(target("https://r.example/v2/a/blobs/sha256:1?old=1"), location);
  expect(typeof resolved === "string" ? resolved : resolved.origin + resolved.path).toBe(expected);
});

test("a Location longer than 16 KiB is refused", () => {
  expect(resolveTarget(target("http://h/"), `/${"a".repeat(16_384)}`)).toBe("unreadable");
});

test("any Location gives a target that can be sent, or a reason", () => {
  const base = target("https://r.example/v2/a/blobs/b");
  const parts = fc.constantFrom(
    "http:",
    "https:",
    "//",
    "/",
    "?",
    "#",
    "@",
    "..",
    "h",
    ":",
    " ",
    "é",
  );
  const hostile = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 12 }).map((list) => list.join("")),
  );
  fc.assert(
    fc.property(hostile, (location) => {
      const resolved = resolveTarget(base, location);
      if (typeof resolved === "string") return;
      expect(resolved.path).toMatch(/^\/[\u0021-\u007e]*$/);
      expect(new URL(resolved.origin).origin).toBe(resolved.origin);
    }),
    { numRuns: 500 },
  );
});
