import type { Contestant } from "./contestants.ts";
import type { Measurement } from "./measure/measure-script.ts";

/** All runs of one contestant in one place. */
export interface Row extends Pick<Contestant, "name" | "result" | "syncs"> {
  /** "tmpfs" or "disk". */
  readonly place: string;
  readonly isOurs: boolean;
  readonly runs: readonly Measurement[];
}

type Figure = "wallSeconds" | "cpuSeconds" | "peakRssBytes" | "writtenBytes" | "storageBytes";

export function goodRuns({ runs }: Pick<Row, "runs">): readonly Measurement[] {
  return runs.filter(({ error }) => error === undefined);
}

export function valuesOf(row: Pick<Row, "runs">, figure: Figure): readonly number[] {
  return goodRuns(row).map((run) => run[figure]);
}
