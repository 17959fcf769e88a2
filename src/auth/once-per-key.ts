import { cancellation } from "../errors.ts";

/**
 * Remembers the outcome of a job per key, failures too, and lets those who ask meanwhile wait for the one that runs. A
 * cancelled job has no outcome: who still wants it starts it again.
 */
export class OncePerKey<T> {
  readonly #outcomes = new Map<string, Promise<T>>();

  /** @throws ImportError ERR_CANCELLED when `signal` is aborted; whatever the job throws */
  async get(key: string, signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    for (;;) {
      if (signal.aborted) throw cancellation(signal);
      const outcome = this.#outcomes.get(key) ?? this.#start(key, signal, start);
      try {
        return await outcome;
      } catch (error) {
        const forgotten = this.#outcomes.get(key) !== outcome;
        if (signal.aborted) throw cancellation(signal);
        if (!forgotten) throw error;
      }
    }
  }

  #start(key: string, signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    const outcome = start();
    this.#outcomes.set(key, outcome);
    outcome.catch(() => {
      if (signal.aborted) this.#outcomes.delete(key);
    });
    return outcome;
  }
}
