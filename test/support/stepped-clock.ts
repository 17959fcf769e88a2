/** A clock that goes on only when it is told to; milliseconds. */
export function steppedClock(startMs = 0): {
  readonly now: () => number;
  readonly pass: (ms: number) => void;
} {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}
