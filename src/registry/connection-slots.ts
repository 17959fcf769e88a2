import { cancellation } from "../errors.ts";

interface Waiter {
  readonly give: () => void;
}

/**
 * Bounds the connections for blobs: one for each in flight, and what is left for ranges of large ones. A blob keeps its
 * slot while it is resumed: if a newcomer took it, a consumer in layer order could wait for ever for the one that lost it.
 */
export class ConnectionSlots {
  #limit: number;
  #used = 0;
  #halvedAtMs = 0;
  readonly #waiters: Waiter[] = [];

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  /** @returns what gives the slot back; safe to call twice. @throws ImportError ERR_CANCELLED */
  async acquire(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw cancellation(signal);
    if (this.#used < this.#limit) this.#used += 1;
    else await this.#wait(signal);
    return this.#releaser();
  }

  /** A slot that nobody else wants: those who wait go first. @returns as `acquire`; `undefined`: none is free */
  tryAcquire(): (() => void) | undefined {
    if (this.#waiters.length > 0 || this.#used >= this.#limit) return undefined;
    this.#used += 1;
    return this.#releaser();
  }

  /**
   * After a 429: half as many for the rest of the import (RETRY-6).
   * @param begunAtMs when the refused request was begun: several that were under way together tell only once
   */
  halve(begunAtMs: number = Infinity): void {
    if (begunAtMs <= this.#halvedAtMs) return;
    this.#halvedAtMs = performance.now();
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }

  #releaser(): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used -= 1;
      this.#hand();
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(cancellation(signal));
      };
      const waiter: Waiter = {
        give: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #hand(): void {
    while (this.#used < this.#limit) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) return;
      this.#used += 1;
      waiter.give();
    }
  }
}
