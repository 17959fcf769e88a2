import { readFileSync, writeFileSync } from "node:fs";
import { promiseHooks } from "node:v8";
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";

/**
 * Loaded with `--import` into every thread of the command: counts promises (each `await` makes at least one) and, at the end,
 * the bytes that the process gave to write calls. Writes both as JSON to the file that COSTS_FILE names.
 */
const KEY = "rootlift-test-costs";

if (isMainThread) {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  setEnvironmentData(KEY, shared);
  const count = countPromises(shared);
  process.on("exit", () => {
    const writtenBytes = Number(/^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
    const costs = { promises: Atomics.load(count, 0), writtenBytes };
    writeFileSync(process.env["COSTS_FILE"] ?? "", JSON.stringify(costs));
  });
} else {
  // Workers of the pool are ended from outside and see no exit of their own.
  const shared: unknown = getEnvironmentData(KEY);
  if (shared instanceof SharedArrayBuffer) countPromises(shared);
}

function countPromises(shared: SharedArrayBuffer): Int32Array {
  const count = new Int32Array(shared);
  promiseHooks.onInit(() => void Atomics.add(count, 0, 1));
  return count;
}
