import type { Random } from "./random.ts";

/** Something that reads hostile bytes, and how bytes for it are made. */
export interface FuzzTarget {
  /** Also the folder of its findings below `testdata/fuzz/`. */
  readonly name: string;
  /** Its share of a run's time, against the others'. */
  readonly weight: number;
  /** Prepares seeds and files. */
  open(): OpenTarget | Promise<OpenTarget>;
}

export interface OpenTarget {
  /** What is mutated; the first executions of a run take them as they are. */
  readonly seeds: readonly Uint8Array[];
  /** Depends on nothing but its arguments: an execution can be made again. @param donor another seed, to take parts from */
  mutate(input: Uint8Array, random: Random, donor: Uint8Array): Uint8Array;
  /**
   * One execution. Returning is a result, an `ImportError` is a refusal; every other error is a finding, and so is a
   * `WrongResult`.
   */
  run(input: Uint8Array): void | Promise<void>;
  close?(): void;
}

/** A result that another reading of the same input contradicts, or that breaks what the code promises. */
export class WrongResult extends Error {
  override readonly name = "WrongResult";
}

export function demand(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new WrongResult(promise);
}
