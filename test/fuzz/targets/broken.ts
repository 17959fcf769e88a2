import type { FuzzTarget } from "../fuzz-target.ts";

const HELD: Buffer[] = [];

/** What the watch over a run must notice; for its own tests, and in no run unless it is named. */
export const BROKEN_TARGETS: readonly FuzzTarget[] = [
  broken("broken-rejection", () => {
    void Promise.reject(new TypeError("a bug that nobody waits for"));
  }),
  broken("broken-hang", () => {
    for (;;) HELD.length = 0;
  }),
  broken("broken-wait", () => new Promise(() => setInterval(() => undefined, 1000))),
  broken("broken-memory", () => {
    HELD.push(Buffer.alloc(8 << 20, 1));
  }),
  broken("broken-heap", () => {
    const grown: number[][] = [];
    for (;;) grown.push(Array.from({ length: 100_000 }, (_, n) => n));
  }),
];

function broken(name: string, run: () => void | Promise<void>): FuzzTarget {
  return {
    name,
    weight: 1,
    open: () => ({
      seeds: [Buffer.from("sound"), Buffer.from("bad")],
      mutate: () => Buffer.from("bad"),
      run: (input) => (input[0] === 0x62 ? run() : undefined),
    }),
  };
}
