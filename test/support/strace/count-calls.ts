import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageFormat } from "../../../src/index.ts";
import { importCommand, runImport } from "../case-kit/import-case.ts";
import { writeImageOfFiles } from "../costs/image-of-files.ts";

/** How many system calls a file may cost, and what they are. */
export const CALLS_A_FILE = {
  // openat, pwrite, utimensat, close; renameat to its name. One more for an owner, one for a mode.
  dir: 5.5,
  // A write is a MiB of files; the rest is what watches over the workers.
  ext4: 0.5,
} as const;
/** What Node does for itself, more or less of it in each run. */
const OWN_AFFAIRS =
  "futex,mmap,munmap,mprotect,madvise,brk,epoll_pwait,epoll_ctl,sched_yield,getpid,rt_sigaction,rt_sigprocmask";

/**
 * The system calls that one more file of 4 KiB costs: what separates an image of many files from one of few, so that
 * starting Node does not count.
 * @param work a directory of its own
 */
export async function callsPerFile(
  format: ImageFormat & keyof typeof CALLS_A_FILE,
  work: string,
  [few, many]: readonly [number, number],
): Promise<number> {
  const [less, more] = [
    await callsOf(few, format, join(work, "few")),
    await callsOf(many, format, join(work, "many")),
  ];
  return (more - less) / (many - few);
}

async function callsOf(files: number, format: ImageFormat, work: string): Promise<number> {
  await writeImageOfFiles(work, files);
  const counts = join(work, "counts");
  const command = importCommand(work, join(work, "out"), { format });
  const strace = [
    "strace",
    "-f",
    "-c",
    "--seccomp-bpf",
    "-e",
    `trace=!${OWN_AFFAIRS}`,
    "-o",
    counts,
  ];
  const run = await runImport([...strace, ...command], {
    work,
    env: { HOME: join(work, "user") },
    timeoutMs: 120_000,
  });
  if (run.exitCode !== 0) throw new Error(`the import of ${files} files failed: ${run.stderr}`);
  const total = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+total$/m.exec(
    readFileSync(counts, "latin1"),
  );
  if (total === null) throw new Error("strace counted nothing");
  return Number(total[1]);
}
