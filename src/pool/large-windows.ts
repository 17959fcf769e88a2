import { ImportError } from "../errors.ts";
import type { Limits } from "../limits.ts";

/** What zstd takes without `--ultra` and `--long`, and so what every layer may take beside the others. */
const SHARED_WINDOW_BYTES = 8 << 20;

/** Runs an attempt to decode a layer, with the limits that it may use. */
export type InWindowTurn = <Result>(
  limits: Limits,
  attempt: (limits: Limits) => Promise<Result>,
) => Promise<Result>;

/**
 * A decoder sets its window aside as a whole: eight layers with the 128 MiB that one may have would take a gibibyte. So a
 * layer that turns out to want a large window is begun anew when no other has one; its first frame tells, after one buffer.
 */
export function createWindowTurns(): InWindowTurn {
  let last: Promise<unknown> = Promise.resolve();
  return async (limits, attempt) => {
    const zstdWindowBytes = Math.min(limits.zstdWindowBytes, SHARED_WINDOW_BYTES);
    try {
      return await attempt({ ...limits, zstdWindowBytes });
    } catch (error) {
      if (limits.zstdWindowBytes === zstdWindowBytes || !wantsLargeWindow(error)) throw error;
    }
    const turn = last.then(() => attempt(limits));
    last = turn.catch(() => undefined);
    return turn;
  };
}

function wantsLargeWindow(error: unknown): boolean {
  if (!(error instanceof ImportError) || error.code !== "ERR_LIMIT_EXCEEDED") return false;
  const limit: keyof Limits = "zstdWindowBytes";
  return error.details["limit"] === limit;
}
