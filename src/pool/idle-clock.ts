/** How long a worker has had nothing to do: no bytes of any layer that it has not answered yet. */
export interface IdleClock {
  /** @param change buffers given to the worker, or answered when below 0 */
  readonly count: (change: number) => void;
  readonly idleMs: () => number;
}

export function createIdleClock(now: () => number = () => performance.now()): IdleClock {
  let open = 0;
  let totalMs = 0;
  let idleSinceMs = now();
  return {
    count: (change) => {
      if (open === 0 && change > 0) totalMs += now() - idleSinceMs;
      if (open > 0 && open + change === 0) idleSinceMs = now();
      open += change;
    },
    idleMs: () => totalMs + (open === 0 ? now() - idleSinceMs : 0),
  };
}
