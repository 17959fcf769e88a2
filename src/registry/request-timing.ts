/** Clocks and budgets of the client (registry-cases BLOB-10, RETRY-2, RETRY-4); milliseconds unless named otherwise. */
export interface RequestTiming {
  /** Until the connection stands, all addresses together; a TLS handshake may take as long again. */
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** For the first blob of an import: Artifactory and Harbor proxy caches fetch from their upstream first. */
  readonly firstBlobByteMs: number;
  /** Without a byte, while the consumer is the one that waits. */
  readonly stallMs: number;
  /** Slower than this on average over the window, while the consumer waits, is a slow loris. */
  readonly minBytesPerSecond: number;
  readonly minRateWindowMs: number;
  /** Tries of one request without progress, the first included. */
  readonly attempts: number;
  /** Full jitter: a delay is random in 0 … min(`maxDelayMs`, `baseDelayMs` · 2^n). */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** A longer `Retry-After` is an error at once rather than a silence. */
  readonly maxRetryAfterMs: number;
  /** Waiting of all requests of one import together. */
  readonly waitBudgetMs: number;
}

/** What an importer chooses of all this. */
export interface Patience {
  /** Repetitions of one request without progress. */
  readonly retries?: number;
  /** How long a host may be silent. The other clocks keep their proportions to it. */
  readonly stallMs?: number;
}

export const DEFAULT_TIMING: RequestTiming = {
  connectMs: 10_000,
  firstByteMs: 30_000,
  firstBlobByteMs: 120_000,
  stallMs: 30_000,
  minBytesPerSecond: 1024,
  minRateWindowMs: 60_000,
  attempts: 6,
  baseDelayMs: 500,
  maxDelayMs: 30_000,
  maxRetryAfterMs: 60_000,
  waitBudgetMs: 600_000,
};

/** A longer timer of Node's fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The clocks that follow from what was chosen. */
export function timingFor({ retries, stallMs }: Patience): Partial<RequestTiming> {
  const { connectMs } = DEFAULT_TIMING;
  const clocks =
    stallMs === undefined
      ? {}
      : {
          connectMs: Math.min(connectMs, stallMs),
          firstByteMs: stallMs,
          firstBlobByteMs: Math.min(4 * stallMs, LONGEST_TIMER_MS),
          stallMs,
          minRateWindowMs: 2 * stallMs,
        };
  return { ...clocks, ...(retries === undefined ? {} : { attempts: retries + 1 }) };
}
