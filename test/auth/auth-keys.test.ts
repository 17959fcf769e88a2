import { expect, test } from "vitest";
import { helperServerUrl, matchingAuthKeys } from "../../src/auth/auth-keys.ts";

const HUB = { registry: "docker.io", repository: "team/app" };
const QUAY = { registry: "quay.io", repository: "team/sub/app" };

test("path keys come first, the longest of them before the others, then the host, then its URLs", () => {
  const keys = [
    "https://quay.io/v2/",
    "quay.io",
    "quay.io/team",
    "http://quay.io",
    "quay.io/team/sub/app",
    "quay.io/team/sub",
  ];
  expect(matchingAuthKeys(keys, QUAY, false)).toEqual([
    "quay.io/team/sub/app",
    "quay.io/team/sub",
    "quay.io/team",
    "quay.io",
    "https://quay.io/v2/",
    "http://quay.io",
  ]);
});

test("a key holds for whole components only, and for no other port, no suffix and no other host", () => {
  const keys = [
    "quay.io/te",
    "quay.io/team/sub/app/more",
    "quay.io:443",
    "https://quay.io:443/v2/",
    "io",
    "notquay.io",
    "quay.io.evil.example",
    "https://quay.io.evil.example/",
    "https://evil.example/quay.io",
    "https://quay.io@evil.example",
    "ftp://quay.io",
    "",
  ];
  expect(matchingAuthKeys(keys, QUAY, false)).toEqual([]);
});

test("in docker's own file a key is at last cut at its first slash", () => {
  const keys = ["quay.io/v1/", "quay.io/te", "quay.io"];
  expect(matchingAuthKeys(keys, QUAY, true)).toEqual(["quay.io", "quay.io/v1/", "quay.io/te"]);
});

test("the Hub's keys have their order, whatever that of the file", () => {
  const keys = [
    "registry-1.docker.io",
    "https://index.docker.io/v1",
    "index.docker.io",
    "docker.io",
    "https://index.docker.io/v1/",
    "https://docker.io/v2/",
    "hub.docker.com",
  ];
  expect(matchingAuthKeys(keys, HUB, true)).toEqual([
    "https://index.docker.io/v1/",
    "docker.io",
    "index.docker.io",
    "https://index.docker.io/v1",
    "registry-1.docker.io",
    "https://docker.io/v2/",
  ]);
});

test("the Hub's API host counts as the Hub, under its own key first", () => {
  const target = { registry: "registry-1.docker.io", repository: "team/app" };
  const keys = ["https://index.docker.io/v1/", "registry-1.docker.io", "docker.io/team"];
  expect(matchingAuthKeys(keys, target, true)).toEqual([
    "docker.io/team",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
  ]);
  expect(helperServerUrl("registry-1.docker.io")).toBe("https://index.docker.io/v1/");
  expect(helperServerUrl("registry.hub.docker.com")).toBe("registry.hub.docker.com");
});

test("of keys that differ in the host's case, the one written like the reference comes first", () => {
  const target = { registry: "Quay.io", repository: "a/b" };
  expect(matchingAuthKeys(["quay.io", "Quay.io", "QUAY.IO/a"], target, false)).toEqual([
    "QUAY.IO/a",
    "Quay.io",
    "quay.io",
  ]);
});
