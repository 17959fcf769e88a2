/** Of this thread, since somebody asked last. */
let spentMs = 0;

/** Waits for the disk to have what was written, and counts how long that takes. @param sync `fsyncSync` or the like */
export function timedSync(sync: (fd: number) => void, fd: number): void {
  const startMs = performance.now();
  try {
    sync(fd);
  } finally {
    spentMs += performance.now() - startMs;
  }
}

/** What this thread has waited for the disk since the last call. */
export function takeSyncMs(): number {
  const ms = spentMs;
  spentMs = 0;
  return ms;
}
