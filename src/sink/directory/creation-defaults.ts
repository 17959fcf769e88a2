import { readFileSync } from "node:fs";

/** What the kernel gives a new file of this process in a private directory: what need not be set again. */
export interface CreationDefaults {
  readonly uid: number;
  readonly gid: number;
  /** Bits that a new file loses; all of them when unknown, so that every mode is set. */
  readonly umask: number;
}

export function creationDefaults(): CreationDefaults {
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    umask: readUmask(),
  };
}

/** `process.umask()` sets in order to read, for all threads; /proc only reads. */
function readUmask(): number {
  const status = readFileSync("/proc/self/status", "latin1");
  const [, digits] = /^Umask:\s*([0-7]+)$/m.exec(status) ?? [];
  return digits === undefined ? 0o777 : Number.parseInt(digits, 8);
}
