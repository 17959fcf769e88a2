import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A directory of its own for the running test, on a disk (tmpfs keeps no user.* xattrs); removed at its end. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "rootlift-test-"));
  // Imported trees have modes and names that only rm copes with.
  onTestFinished(() => {
    spawnSync("rm", ["-rf", "--", path]);
  });
  return path;
}
