import { ImportError } from "../errors.ts";

export interface MemoryWatch {
  /** Aborts with ERR_LIMIT_EXCEEDED as its reason. */
  readonly exceeded: AbortSignal;
  stop(): void;
}

const MIB = 2 ** 20;
const INTERVAL_MS = 100;

/**
 * Keeps an eye on what the process has in memory, over the least that it had since the beginning: a program that uses the
 * library has memory of its own, and what it gives back meanwhile is no allowance for the import. What is resident counts,
 * of all threads and allocators, and so whatever the limits of a single thing have not foreseen.
 */
export function watchMemory(budgetBytes: number): MemoryWatch {
  const exceeded = new AbortController();
  let leastBytes = process.memoryUsage.rss();
  const timer = setInterval(() => {
    const residentBytes = process.memoryUsage.rss();
    leastBytes = Math.min(leastBytes, residentBytes);
    const usedBytes = residentBytes - leastBytes;
    if (usedBytes <= budgetBytes) return;
    clearInterval(timer);
    exceeded.abort(outOfMemory(usedBytes, budgetBytes));
  }, INTERVAL_MS);
  timer.unref();
  return { exceeded: exceeded.signal, stop: () => clearInterval(timer) };
}

function outOfMemory(usedBytes: number, budgetBytes: number): ImportError {
  const [usedMb, budgetMb] = [Math.ceil(usedBytes / MIB), Math.floor(budgetBytes / MIB)];
  const message = `the import takes ${usedMb} MiB of memory, the limit is ${budgetMb}`;
  return new ImportError("ERR_LIMIT_EXCEEDED", message, {
    hint: "Retry with a larger --memory value, or with fewer layers side by side (--concurrency).",
    details: { limit: "memoryMb", value: usedMb, limitValue: budgetMb },
  });
}
