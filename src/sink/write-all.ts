import { writeSync } from "node:fs";
import { countProgress } from "./work-progress.ts";

/** Writes all of `bytes` at `position`, which one call need not. */
export function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  countProgress();
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
