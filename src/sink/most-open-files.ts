import { readFileSync } from "node:fs";

/** Where a process may have as many open files as is usual (1,024 and more). */
const USUALLY = 64;
/** Node, its threads, the catalog, layers that are being read. */
const TAKEN_OTHERWISE = 48;
/** Caches of several threads have to share what is left. */
const SHARE = 8;
const FEWEST = 4;

let known: number | undefined;

/** How many files one cache of open files or directories may hold: fewer where `ulimit -n` is low. */
export function mostOpenFiles(): number {
  known ??= shareOf(limitOf(limitsText()));
  return known;
}

/** @param limit of open files */
export function shareOf(limit: number): number {
  const share = Math.floor((limit - TAKEN_OTHERWISE) / SHARE);
  return Math.min(USUALLY, Math.max(FEWEST, share));
}

/** The soft limit that /proc/self/limits tells (proc(5)); Infinity where there is none, or it cannot be told. */
export function limitOf(text: string): number {
  const limit = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return limit === undefined ? Infinity : Number(limit);
}

function limitsText(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return "";
  }
}
