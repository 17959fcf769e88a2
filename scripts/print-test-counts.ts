import { readFileSync } from "node:fs";

/**
 * Prints vitest's JSON results as `N passed, N failed`. A run without a single test is a failed one;
 * one that vitest failed for an error outside of any test (a rejection nobody handled) counts it as one.
 */
const [path = "", vitestStatus = "0"] = process.argv.slice(2);
const results: unknown = JSON.parse(readFileSync(path, "utf8"));
const passed = count("numPassedTests");
const failed = Math.max(
  count("numFailedTests"),
  count("numFailedTestSuites"),
  vitestStatus === "0" ? 0 : 1,
);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
if (passed + failed === 0) process.exitCode = 1;

function count(key: string): number {
  const value: unknown =
    typeof results === "object" && results !== null ? Reflect.get(results, key) : undefined;
  return typeof value === "number" ? value : 0;
}
