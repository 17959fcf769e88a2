import { cancellation } from "../errors.ts";

interface Waiter {
  readonly give: () => void;
}

/**
 * Bounds the blobs in flight. A blob keeps its slot while it is resumed: if a newcomer took it, a consumer in layer
 * order could wait for ever for the one that lost it.
 */
export class ConnectionSlots {
  #limit: number;
  #used = 0;
  readonly #waiters: Waiter[] = [];

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  /** @returns what gives the slot back; safe to call twice. @throws ImportError ERR_CANCELLED */
  async acquire(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw cancellation(signal);
    if (this.#used < this.#limit) this.#used += 1;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used -= 1;
      this.#hand();
    };
  }

  /** After a 429: half as many for the rest of the import (RETRY-6). */
  halve(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
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
