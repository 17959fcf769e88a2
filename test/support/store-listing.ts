import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** What a store holds besides its catalog: empty lists when nothing was imported and nothing was left behind. */
export function storeListing(home: string): {
  readonly snapshots: readonly string[];
  readonly ingests: readonly string[];
  readonly other: readonly string[];
} {
  const names = existsSync(home) ? readdirSync(home) : [];
  const known = /^(snapshots|ingest|catalog\.db(-wal|-shm|-journal)?)$/;
  return {
    snapshots: list(join(home, "snapshots")),
    ingests: list(join(home, "ingest")),
    other: names.filter((name) => !known.test(name)),
  };
}

function list(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path).toSorted() : [];
}
