import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Set for the processes that run targets: what they leave behind when they are killed goes with it. */
export const SCRATCH_VARIABLE = "ROOTLIFT_FUZZ_SCRATCH";

/** A new folder in memory, where there is such a file system: every execution writes. */
export function scratchFolder(name: string): string {
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  return mkdtempSync(join(process.env[SCRATCH_VARIABLE] ?? memory, `rootlift-fuzz-${name}-`));
}
