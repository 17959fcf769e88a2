import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
} from "../../src/oci/parse-platform.ts";
import { importErrorOf, outcomeOf } from "../support/import-error.ts";

test.each([
  ["linux/amd64", "linux/amd64"],
  ["Linux/X86_64", "linux/amd64"],
  ["linux/x86-64/v1", "linux/amd64"],
  ["linux/amd64/v3", "linux/amd64/v3"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm64/8", "linux/arm64"],
  ["linux/arm64/v8.0", "linux/arm64"],
  ["linux/arm64/v8.1", "linux/arm64/v8.1"],
  ["linux/arm64/9", "linux/arm64/v9"],
  ["linux/arm64/v9.0", "linux/arm64/v9"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/armhf/v6", "linux/arm/v7"],
  ["linux/armel", "linux/arm/v6"],
  ["linux/i386", "linux/386"],
  ["macos/arm64", "darwin/arm64"],
  ["arm64", "linux/arm64"],
  ["riscv64", "linux/riscv64"],
  ["linux/made-up", "linux/made-up"],
  ["windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"],
  ["windows(10.0.17763+win32k)/amd64", "windows(10.0.17763+win32k)/amd64"],
  ["linux(+b+a)/amd64", "linux(+a+b)/amd64"],
])("%s is %s", (text, canonical) => {
  expect(formatPlatform(parsePlatform(text))).toBe(canonical);
});

test("an operating system alone means this machine's architecture", () => {
  expect(parsePlatform("linux")).toEqual(hostPlatform());
  expect(parsePlatform("windows").os).toBe("windows");
  expect(parsePlatform("windows(10.0.20348+win32k)")).toEqual({
    ...hostPlatform(),
    os: "windows",
    osVersion: "10.0.20348",
    osFeatures: ["win32k"],
  });
});

test.each([
  "",
  "linux/",
  "/amd64",
  "linux//v7",
  "linux/arm/v7/x",
  "linux/*",
  "toaster",
  "linux/a b",
  "lin ux/amd64",
  "windows(%zz)/amd64",
  "amd64(10.0)",
  "amd64(+erofs)",
])("%j is refused as a platform", (text) => {
  const error = importErrorOf(() => parsePlatform(text));
  expect(error.code).toBe("ERR_CONFIG_INVALID");
  expect(error.message).toMatch(/platform/);
  expect(error.hint).toMatch(/os\/arch/);
});

test("this machine is linux on a known architecture", () => {
  expect(hostPlatform().os).toBe("linux");
  expect(parsePlatform(hostPlatform().architecture).architecture).toBe(hostPlatform().architecture);
});

test("what an index leaves out is linux, and an unknown architecture", () => {
  expect(normalizePlatform({})).toEqual({ os: "linux", architecture: "unknown" });
});

const word = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,8}$/);
const raw = fc.record({
  os: fc.constantFrom("linux", "Windows", "macos", ""),
  architecture: fc.oneof(word, fc.constantFrom("arm", "arm64", "x86_64", "armhf", "")),
  variant: fc.oneof(fc.constantFrom("", "v1", "v7", "8", "v8", "v8.1"), word),
  osFeatures: fc.array(word, { maxLength: 3 }),
});

test("normalising twice is normalising once", () => {
  fc.assert(
    fc.property(raw, (platform) => {
      const once = normalizePlatform(platform);
      expect(normalizePlatform(once)).toEqual(once);
    }),
  );
});

test("any text gives a platform that reads back as itself, or ERR_CONFIG_INVALID", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9/().+*%]{0,24}$/));
  fc.assert(
    fc.property(text, (it) => {
      const outcome = outcomeOf(() => {
        const platform = parsePlatform(it);
        expect(normalizePlatform(platform)).toEqual(platform);
      });
      expect(["ok", "ERR_CONFIG_INVALID"]).toContain(outcome);
    }),
    { numRuns: 1000 },
  );
});
