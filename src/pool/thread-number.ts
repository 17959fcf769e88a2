import { readlinkSync } from "node:fs";
import type { WorkerStatus } from "./worker-status.ts";

/** Tells that this thread has begun, and the kernel's id of it (proc_thread_self(5)), by which its processor time is found. */
export function tellThread({ thread }: WorkerStatus): void {
  Atomics.store(thread, 0, threadNumber());
}

/** -1 where the kernel does not tell: not Linux, or without /proc. */
export function threadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return -1;
  }
}
