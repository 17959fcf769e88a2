/** What a worker tells by shared memory, so that it can be read while the worker is busy. */
export interface WorkerStatus {
  /** Steps taken (`work-progress.ts`); wraps around. */
  readonly steps: Int32Array;
  /** Messages that were dealt with; wraps around. */
  readonly handled: Int32Array;
  /** The job of the message that is being dealt with; 0 between messages. */
  readonly job: Int32Array;
  /** The kernel's id of the thread; 0 until it has begun, -1 where it is not known. */
  readonly thread: Int32Array;
}

const FIELDS = ["steps", "handled", "job", "thread"] as const;

/** @param memory made by `statusMemory` */
export function workerStatus(memory: SharedArrayBuffer): WorkerStatus {
  const field = (at: number): Int32Array =>
    new Int32Array(memory, at * Int32Array.BYTES_PER_ELEMENT, 1);
  return { steps: field(0), handled: field(1), job: field(2), thread: field(3) };
}

export function statusMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(FIELDS.length * Int32Array.BYTES_PER_ELEMENT);
}
