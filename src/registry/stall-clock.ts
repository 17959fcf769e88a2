export interface StallLimits {
  readonly stallMs: number;
  readonly minBytesPerSecond: number;
  readonly minRateWindowMs: number;
}

/**
 * Notices a sender that stalls, or trickles (slow loris). Runs only while the consumer waits for bytes: a consumer that
 * takes its time is no stall (registry-cases BLOB-10).
 */
export class StallClock {
  readonly #limits: StallLimits;
  readonly #expire: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #lastByteMs = 0;
  #waitingSinceMs = 0;
  /** Of the current window: time waited in finished waits, and bytes that came. */
  #waitedMs = 0;
  #bytes = 0;

  constructor(limits: StallLimits, expire: (reason: string) => void) {
    this.#limits = limits;
    this.#expire = expire;
  }

  start(): void {
    const now = performance.now();
    this.#lastByteMs = now;
    this.#waitingSinceMs = now;
    this.#arm();
  }

  received(bytes: number): void {
    this.#lastByteMs = performance.now();
    this.#bytes += bytes;
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waitedMs += performance.now() - this.#waitingSinceMs;
  }

  #arm(): void {
    const { stallMs, minRateWindowMs } = this.#limits;
    const pauseMs = Math.max(5, Math.min(stallMs, minRateWindowMs) / 8);
    this.#timer = setTimeout(() => this.#check(), pauseMs);
  }

  #check(): void {
    const { stallMs, minBytesPerSecond, minRateWindowMs } = this.#limits;
    const now = performance.now();
    const waitedMs = this.#waitedMs + (now - this.#waitingSinceMs);
    if (now - this.#lastByteMs >= stallMs) {
      this.#expire(`no byte for ${seconds(stallMs)}`);
      return;
    }
    if (waitedMs >= minRateWindowMs) {
      if ((this.#bytes * 1000) / waitedMs < minBytesPerSecond) {
        this.#expire(`less than ${minBytesPerSecond} bytes a second for ${seconds(waitedMs)}`);
        return;
      }
      this.#waitedMs = 0;
      this.#waitingSinceMs = now;
      this.#bytes = 0;
    }
    this.#arm();
  }
}

export function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`;
}
