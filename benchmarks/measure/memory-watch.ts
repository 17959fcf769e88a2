import { processTree, readMemory } from "./proc-files.ts";

const INTERVAL_MS = 50;

export interface PeakMemory {
  /** The largest sum of RSS over all processes at one look; pages that processes share count once for each. */
  readonly treeBytes: number;
  /** VmHWM of the largest process: the kernel's own peak, which no look can miss while the process lives. */
  readonly largestBytes: number;
}

export interface MemoryWatch {
  stop(): PeakMemory;
}

/** Looks at the processes below these roots twenty times a second. */
export function watchMemory(roots: readonly number[]): MemoryWatch {
  let treeBytes = 0;
  let largestBytes = 0;
  const look = (): void => {
    let sum = 0;
    for (const pid of roots.flatMap((root) => processTree(root))) {
      const memory = readMemory(pid);
      sum += memory?.rssBytes ?? 0;
      largestBytes = Math.max(largestBytes, memory?.peakBytes ?? 0);
    }
    treeBytes = Math.max(treeBytes, sum);
  };
  const timer = setInterval(look, INTERVAL_MS);
  return {
    stop: () => {
      look();
      clearInterval(timer);
      return { treeBytes, largestBytes };
    },
  };
}
