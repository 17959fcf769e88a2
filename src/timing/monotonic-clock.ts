/** Each thread's `performance.now()` has a zero of its own; the kernel's clock behind it is one. */
const ZERO_MS = kernelMs() - performance.now();

/** Milliseconds of a clock that never goes back and that all threads of the process share. */
export function monotonicMs(): number {
  return ZERO_MS + performance.now();
}

function kernelMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
