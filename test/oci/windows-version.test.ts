import { expect, test } from "vitest";
import { fitsWindowsVersion } from "../../src/oci/windows-version.ts";

test.each([
  ["10.0.17763", "10.0.17763.2114", true],
  ["10.0.17763", "10.0.20348.169", false],
  ["10.0.20348", "10.0.17763.1", false],
  ["10.0.26100", "10.0.20348.169", true],
  ["10.0.20348", "10.0.26100.1", false],
  ["10.0.20348.1", "10.0.20348.9999", true],
  ["10.0.26100", "10.0.26100.32230", true],
  ["10.0.27000", "10.0.26100.1", true],
  ["10.0.27000", "10.0.20348.169", false],
  ["11.0.20348", "10.0.20348", false],
  ["10.0.17763", "nonsense", false],
  ["10.0.17763", "", true],
  ["10.0.17763", undefined, true],
  ["nonsense", "10.0.17763", true],
  [undefined, "10.0.17763", true],
])("a host of %s runs an image of %s: %s", (host, image, fits) => {
  expect(fitsWindowsVersion(host, image)).toBe(fits);
});
