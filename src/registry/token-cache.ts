import { cancellation } from "../errors.ts";
import type { IssuedToken } from "./token-exchange.ts";

/** A token as it is used: the generation says whether a refusal was of this one or of an older one (TOK-9). */
export interface HeldToken extends IssuedToken {
  readonly generation: number;
}

interface Slot {
  generation: number;
  held: HeldToken | undefined;
  pending: Promise<HeldToken> | undefined;
}

/** Tokens by scope set: one request at a time for each, however many wait for it (TOK-8). */
export class TokenCache {
  readonly #slots = new Map<string, Slot>();

  /**
   * The token at hand, if it is not about to expire; else the one that `obtain` gets, for all who ask meanwhile.
   * @param signal gives up this wait only: others may still want the token
   */
  async get(
    key: string,
    signal: AbortSignal,
    obtain: () => Promise<IssuedToken>,
  ): Promise<HeldToken> {
    // Nobody would wait for the request that this call starts, and nobody hear of its failure.
    if (signal.aborted) throw cancellation(signal);
    const slot = this.#slot(key);
    if (slot.held !== undefined && Date.now() < slot.held.token.renewAtMs) return slot.held;
    slot.pending ??= this.#fetch(slot, obtain);
    return withSignal(slot.pending, signal);
  }

  /** The token of this generation was refused: it is not given out again. */
  drop(key: string, generation: number): void {
    const slot = this.#slot(key);
    if (slot.held?.generation === generation) slot.held = undefined;
  }

  async #fetch(slot: Slot, obtain: () => Promise<IssuedToken>): Promise<HeldToken> {
    try {
      const issued = await obtain();
      slot.generation += 1;
      slot.held = { ...issued, generation: slot.generation };
      return slot.held;
    } finally {
      slot.pending = undefined;
    }
  }

  #slot(key: string): Slot {
    const found = this.#slots.get(key);
    if (found !== undefined) return found;
    const made: Slot = { generation: 0, held: undefined, pending: undefined };
    this.#slots.set(key, made);
    return made;
  }
}

function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancellation(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
