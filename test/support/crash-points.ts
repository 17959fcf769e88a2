import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startStoreProcess, TRACE_MARK } from "./run-store-process.ts";
import type { Outcome } from "./run-store-process.ts";

/** Before the `when`th call of `syscall` in the main thread. All file operations of the store are synchronous, so they are there. */
export interface CrashPoint {
  readonly syscall: string;
  readonly when: number;
}

const MUTATING = [
  "chmod",
  "fchmod",
  "fchmodat",
  "chown",
  "fchown",
  "fdatasync",
  "fsync",
  "ftruncate",
  "link",
  "linkat",
  "mkdir",
  "mkdirat",
  "openat",
  "pwrite64",
  "rename",
  "renameat",
  "renameat2",
  "rmdir",
  "symlink",
  "unlink",
  "unlinkat",
  "write",
];

/** Runs a job of `store-process.ts` under strace, and lists its mutating system calls from the mark on, in their order. */
export async function crashPoints(
  job: readonly string[],
  scratch: string,
): Promise<readonly CrashPoint[]> {
  const tracePath = join(scratch, "trace");
  const trace = ["-e", `trace=${MUTATING.join(",")},access,faccessat`, "-o", tracePath];
  const traced = startStoreProcess(job, { wrapper: ["strace", "-f", "-qq", ...trace] });
  await traced.rest();
  const { exitCode, stderr } = await traced.ended;
  if (exitCode !== 0) throw new Error(`strace: ${stderr}`);
  const lines = readFileSync(tracePath, "utf8").split("\n");
  const mainThread = lines[0]?.split(" ")[0] ?? "";
  const counts = new Map<string, number>();
  const points: CrashPoint[] = [];
  let marked = false;
  for (const line of lines) {
    const [, thread, syscall = "", rest = ""] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? [];
    if (thread !== mainThread) continue;
    // The outcome on stdout is the end of the job, and no part of it.
    if (marked && syscall === "write" && rest.startsWith("1, ")) break;
    marked ||= rest.includes(TRACE_MARK);
    const when = (counts.get(syscall) ?? 0) + 1;
    counts.set(syscall, when);
    const mutates = syscall === "openat" ? rest.includes("O_CREAT") : MUTATING.includes(syscall);
    if (marked && mutates) points.push({ syscall, when });
  }
  return points;
}

/**
 * Runs the job again, and at one point kills it (the call is not made) or lets the call fail.
 * @param injection `signal=KILL`, or `error=EIO`
 */
export async function runToPoint(
  job: readonly string[],
  { syscall, when }: CrashPoint,
  injection: string,
): Promise<{
  readonly outcomes: readonly Outcome[];
  readonly killed: boolean;
  readonly stderr: string;
}> {
  const inject = `inject=${syscall}:${injection}:when=${when}`;
  const wrapper = [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    `trace=${syscall}`,
    "-e",
    inject,
  ];
  const running = startStoreProcess(job, { wrapper });
  const outcomes = await running.rest();
  const { signal, exitCode, stderr } = await running.ended;
  return { outcomes, killed: signal === "SIGKILL" || exitCode === 137, stderr };
}

/** So many of the points, spread evenly; for another seed, others. */
export function sample<T>(points: readonly T[], count: number, seed: number): readonly T[] {
  const step = Math.max(1, points.length / count);
  const chosen = Array.from({ length: Math.min(count, points.length) }, (_, index) =>
    Math.floor((index * step + seed) % points.length),
  );
  return [...new Set(chosen)].flatMap((index) => points[index] ?? []);
}
