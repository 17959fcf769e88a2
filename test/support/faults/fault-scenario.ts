/** The places of one run. They are the same paths in every run, and nothing else is in their parent. */
export interface FaultPlace {
  /** The store. */
  readonly home: string;
  /** A directory outside; what the command writes beside the store goes into it. */
  readonly outside: string;
}

/** What is on the disk, as far as a user can tell. */
export interface FaultState {
  /** By name: the format and the digest of the root filesystem. */
  readonly images: Readonly<Record<string, string>>;
  /** The paths in the directory outside, sorted; behind that of the output its digest. */
  readonly outside: readonly string[];
}

/** A command that is made to fail at each of its steps. */
export interface FaultScenario {
  /** The words after `tl`. */
  readonly command: readonly string[];
  /** What the command writes outside of the store. */
  readonly outputPath?: string;
  /** The import that must work afterwards, whatever happened. */
  readonly again: FaultImport;
  /** The store is one that has to be repaired: `tl store check --repair` is what comes next. */
  readonly needsRepair?: true;
}

export interface FaultImport {
  readonly reference: string;
  readonly format: "dir" | "ext4" | "erofs" | "tar";
  readonly blobCache?: "on";
}

/** MiB of the disk images: few, because they are read after each fault. */
export const DISK_MB = 8;
