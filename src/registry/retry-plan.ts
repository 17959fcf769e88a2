import { setTimeout as sleep } from "node:timers/promises";
import { cancellation } from "../errors.ts";
import type { RequestFailure } from "./request-failure.ts";
import type { RequestTiming } from "./request-timing.ts";

export interface RetryEvent {
  readonly what: string;
  readonly why: string;
  /** The try that follows: 2 is the first repetition. */
  readonly attempt: number;
  readonly delayMs: number;
}

/** What all requests of one import share: hosts that asked for a pause, and how long everybody may wait together. */
export class RetryState {
  readonly timing: RequestTiming;
  readonly random: () => number;
  readonly #onRetry: (event: RetryEvent) => void;
  readonly #freeAtMs = new Map<string, number>();
  #waitedMs = 0;

  constructor(
    timing: RequestTiming,
    onRetry: (event: RetryEvent) => void,
    random: () => number = Math.random,
  ) {
    this.timing = timing;
    this.random = random;
    this.#onRetry = onRetry;
  }

  /** `Retry-After` is for the host, not for the request that met it (RETRY-4). */
  pause(host: string, delayMs: number): void {
    const until = performance.now() + delayMs;
    this.#freeAtMs.set(host, Math.max(until, this.#freeAtMs.get(host) ?? 0));
  }

  /** @throws ImportError ERR_CANCELLED */
  async whenFree(host: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const leftMs = (this.#freeAtMs.get(host) ?? 0) - performance.now();
      if (leftMs <= 0) return;
      await pauseFor(leftMs, signal);
    }
  }

  /** A repetition that nobody waits for. */
  tell(event: RetryEvent): void {
    this.#onRetry(event);
  }

  /** Waits before the next try, and tells about it. @returns `false`, at once, when the import has waited enough */
  async wait(event: RetryEvent, signal: AbortSignal): Promise<boolean> {
    if (this.#waitedMs + event.delayMs > this.timing.waitBudgetMs) return false;
    this.#waitedMs += event.delayMs;
    this.#onRetry({ ...event, delayMs: Math.round(event.delayMs) });
    await pauseFor(event.delayMs, signal);
    return true;
  }
}

/** @throws ImportError ERR_CANCELLED */
async function pauseFor(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch {
    throw cancellation(signal);
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[^\w]/g, String.raw`\$&`);
}

/** The tries of one logical request (registry-cases RETRY-1 … RETRY-4). */
export class RetryPlan {
  readonly #state: RetryState;
  readonly #what: string;
  /** Tries since the last progress. */
  #failures = 0;
  #repetitions = 0;
  #usedOnce = false;
  #usedStale = false;
  #linkExpired = false;

  constructor(state: RetryState, what: string) {
    this.#state = state;
    this.#what = what;
  }

  /** The request brought something: the count of tries starts again. */
  progressed(): void {
    this.#failures = 0;
    this.#usedStale = false;
    this.#linkExpired = false;
  }

  /**
   * Returns when it is time to try again.
   * @throws ImportError the failure's error, when another try would not help or all are used up; ERR_CANCELLED
   */
  async next(failure: RequestFailure, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw cancellation(signal);
    const delayMs = this.#delayFor(failure);
    if (delayMs === undefined) throw failure.error;
    const event = {
      what: this.#what,
      why: failure.error.message.replace(new RegExp(`,? for ${escaped(this.#what)}`), ""),
      attempt: ++this.#repetitions + 1,
      delayMs,
    };
    if (!(await this.#state.wait(event, signal))) throw failure.error;
  }

  /** `undefined`: give up. */
  #delayFor({ facts }: RequestFailure): number | undefined {
    if (facts.retry === "fromRegistry") {
      if (this.#linkExpired) return undefined;
      this.#linkExpired = true;
      return 0;
    }
    if (facts.retry === "once") {
      if (this.#usedOnce || this.#state.timing.attempts < 2) return undefined;
      this.#usedOnce = true;
      return facts.retryAfterMs ?? this.#backOff(0);
    }
    if (facts.retry !== "yes") return undefined;
    if (facts.staleConnection === true && !this.#usedStale) {
      this.#usedStale = true;
      return 0;
    }
    this.#failures += 1;
    if (this.#failures >= this.#state.timing.attempts) return undefined;
    if (facts.retryAfterMs === undefined) return this.#backOff(this.#failures - 1);
    this.#state.pause(facts.host, facts.retryAfterMs);
    return facts.retryAfterMs;
  }

  /** Full jitter (RETRY-2). */
  #backOff(n: number): number {
    const { baseDelayMs, maxDelayMs } = this.#state.timing;
    return this.#state.random() * Math.min(maxDelayMs, baseDelayMs * 2 ** n);
  }
}
