import { readdirSync, readFileSync } from "node:fs";

/** What the kernel has counted for a process and for those of its children, and theirs, that ended and were waited for. */
export interface ProcessCounters {
  /** User and system time; the kernel counts it in hundredths of a second here. */
  readonly cpuSeconds: number;
  /** Given to write calls, to files and pipes alike; not to send(). */
  readonly writtenBytes: number;
  /** Pages made dirty, to be written to a block device; 0 on a tmpfs. */
  readonly storageBytes: number;
}

export interface ProcessMemory {
  readonly rssBytes: number;
  /** The most it ever was. */
  readonly peakBytes: number;
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_A_SECOND = 100;

/** @throws Error when there is no such process, or it is another user's */
export function readCounters(pid: number): ProcessCounters {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return {
    cpuSeconds: parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, "utf8")),
    writtenBytes: fieldOf(io, "wchar"),
    storageBytes: fieldOf(io, "write_bytes"),
  };
}

/** Of `/proc/PID/stat`, fields 14 to 17 (proc_pid_stat(5)): own and waited-for children's time. */
export function parseCpuSeconds(stat: string): number {
  // The second field is a name that may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_A_SECOND;
}

/** @returns undefined when the process is gone, or is a zombie */
export function readMemory(pid: number): ProcessMemory | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      rssBytes: fieldOf(status, "VmRSS") * 1024,
      peakBytes: fieldOf(status, "VmHWM") * 1024,
    };
  } catch {
    return undefined;
  }
}

/** The process and all below it that are there now. */
export function processTree(root: number): readonly number[] {
  const found = [root];
  for (const pid of found) found.push(...childrenOf(pid));
  return found;
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
        .split(" ")
        .filter((child) => child !== "")
        .map(Number),
    );
  } catch {
    // It ended meanwhile.
    return [];
  }
}

/** Of a line `name: value`, the first number; 0 without such a line. */
export function fieldOf(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text);
  return Number(match?.[1] ?? 0);
}
