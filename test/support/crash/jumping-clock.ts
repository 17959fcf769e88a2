import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTl } from "../run-tl.ts";
import type { Ended } from "../running-process.ts";

/** Debian's libfaketime: what Node, SQLite and the rest of the process take for the time on the clock. */
const LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1";

export interface JumpingClock {
  /** For all processes that have this clock, at once. */
  readonly jump: (years: number) => void;
  /** `tl sbx image import ARGS…`; `onResolved` is called while its layers are being pulled. */
  readonly import: (
    args: readonly string[],
    home: string,
    onResolved: () => void,
  ) => Promise<Ended>;
}

/**
 * The clock of processes that are started here: the real one with an offset in years that may change under way. The monotonic
 * clock goes on as it does when somebody sets the time, and files have the times that the kernel gives them.
 */
export function startJumpingClock(work: string, years: number): JumpingClock {
  const path = join(work, "clock");
  const jump = (offset: number): void => {
    // In place, and of a length: a process that reads it meanwhile must not find half of it.
    writeFileSync(
      path,
      `${offset < 0 ? "-" : "+"}${String(Math.abs(offset)).padStart(4, "0")}y\n`,
      { flag: existsSync(path) ? "r+" : "w" },
    );
  };
  jump(years);
  const env = {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: path,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  };
  return {
    jump,
    import: async (args, home, onResolved) => {
      const running = startTl(["import", ...args, "--verbose"], { home, env });
      await running.stderrHas(/Resolved /);
      onResolved();
      return running.ended;
    },
  };
}
