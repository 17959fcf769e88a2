import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import type { HttpTarget } from "../../src/registry/http-target.ts";
import { parseTarget } from "../../src/registry/http-target.ts";
import { redirectTarget } from "../../src/registry/redirect-policy.ts";

function target(url: string): HttpTarget {
  const parsed = parseTarget(url);
  if (typeof parsed === "string") throw new Error(`${url} is ${parsed}`);
  return parsed;
}

function follow(from: string, location: string | undefined, more = {}): string {
  const registry = target(from);
  const step = { registry, from: registry, location, hops: 0, insecure: false, ...more };
  const next = redirectTarget(step);
  return next.origin + next.path;
}

function codeOf(from: string, location: string | undefined, more = {}): string {
  try {
    return follow(from, location, more);
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
}

const REGISTRY = "https://ghcr.io/v2/a/blobs/b";

test("a redirect to a CDN and to a private address inside the company is followed", () => {
  expect(follow(REGISTRY, "https://cdn.example/x?sig=1")).toBe("https://cdn.example/x?sig=1");
  expect(follow(REGISTRY, "https://10.1.2.3/minio")).toBe("https://10.1.2.3/minio");
});

test.each([
  ["http://cdn.example/x", "from https to plain http"],
  ["https://127.0.0.1/x", "to this machine"],
  ["https://localhost/x", "to this machine by name"],
  ["https://169.254.169.254/latest/meta-data", "to the cloud's metadata"],
  ["https://[fe80::1]/x", "to a link-local address"],
  ["https://0.0.0.0/x", "to the unspecified address"],
  ["https://224.0.0.1/x", "to a multicast group"],
  ["https://[::ffff:127.0.0.1]/x", "to this machine as IPv4 in IPv6"],
  ["ftp://cdn.example/x", "to another scheme"],
  ["https://user:fake-secret@cdn.example/x", "with a login"],
])("a redirect %s is refused: %s", (location) => {
  expect(codeOf(REGISTRY, location)).toBe("ERR_REDIRECT_REFUSED");
});

test("--insecure allows plain http, and a registry on this machine may redirect to this machine", () => {
  expect(codeOf(REGISTRY, "http://cdn.example/x", { insecure: true })).toBe("http://cdn.example/x");
  expect(codeOf("http://127.0.0.1:5000/v2/", "http://localhost:9000/x")).toBe(
    "http://localhost:9000/x",
  );
});

test("a redirect without Location, or with an empty one, is no redirect", () => {
  expect(codeOf(REGISTRY, undefined)).toBe("ERR_REGISTRY_PROTOCOL");
  expect(codeOf(REGISTRY, " ")).toBe("ERR_REGISTRY_PROTOCOL");
});

test("ten hops are followed, the eleventh is not", () => {
  expect(codeOf(REGISTRY, "https://cdn.example/x", { hops: 9 })).toBe("https://cdn.example/x");
  expect(codeOf(REGISTRY, "https://cdn.example/x", { hops: 10 })).toBe("ERR_REDIRECT_REFUSED");
});

test("no refusal repeats the target's query or login", () => {
  for (const location of [
    "http://cdn.example/x?sig=fake-signature",
    "https://u:fake-signature@h/",
  ]) {
    expect(() => follow(REGISTRY, location)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("fake-signature") }),
    );
  }
});
