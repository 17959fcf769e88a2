import { resolve } from "node:path";
import { mustRun } from "./run-program.ts";

const BENCHMARKS = resolve(import.meta.dirname, "../../benchmarks");

/** Runs a script of benchmarks/ with these options; `image` is its argument. @returns what it printed */
export function runBenchmark(
  script: string,
  { image, ...options }: Readonly<Record<string, string>>,
): Promise<string> {
  const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const args = [...(image === undefined ? [] : [image]), ...words];
  return mustRun(process.execPath, [resolve(BENCHMARKS, script), ...args]);
}
