import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { namesText } from "./crash-store.ts";
import { IMPORT_LINES, type Operation } from "./operations.ts";
import { storeTraces, type StoreTraces } from "./store-traces.ts";

/** How far a process had come: columns of the histogram, in their order. */
export const STAGES = [
  "start",
  "open",
  "reserve",
  "resolve",
  "pull",
  "merge/seal",
  "commit",
  "moved",
  "write",
  "published",
  "transaction",
  "registered",
  "remove old",
  "exit",
] as const;
export type Stage = (typeof STAGES)[number];

export interface Remains {
  readonly operation: Operation;
  readonly stderr: string;
  /** How often the store's directories had changed. */
  readonly changes: number;
  readonly before: StoreTraces;
  readonly after: StoreTraces;
  /** The operation is done, as far as the catalog (or the place of its output) tells. */
  readonly done: boolean;
}

/** By what was printed, and by what lies in the store: so it is right however short a stage is. */
export function stageOf(remains: Remains): Stage {
  const { operation, changes, before, after, done } = remains;
  const { type } = operation.effect;
  const ownLock = after.locks.find((id) => !before.locks.includes(id));
  if (done) return stageWhenDone(after, ownLock);
  if (type === "import" || operation.refusal !== undefined) return importStage(remains, ownLock);
  if (type === "export" && ownLock !== undefined) return "write";
  if (type === "none") return maintenanceStage(remains);
  if (after.hasJournal) return "transaction";
  return changes > 0 ? "open" : "start";
}

/**
 * In the order of things: the name is there, what the ingest had goes, then the snapshot that lost its last name.
 */
function stageWhenDone(after: StoreTraces, ownLock: string | undefined): Stage {
  if (ownLock !== undefined) return after.ingests.includes(ownLock) ? "registered" : "published";
  return after.orphans.length > 0 || after.trash.length > 0 ? "remove old" : "exit";
}

function importStage({ stderr, after }: Remains, ownLock: string | undefined): Stage {
  if (!IMPORT_LINES.begin.test(stderr)) return "start";
  if (ownLock === undefined) return "open";
  if (IMPORT_LINES.commit.test(stderr)) {
    if (after.snapshots.includes(`snap_${ownLock}`)) {
      return after.hasJournal ? "transaction" : "moved";
    }
    return "commit";
  }
  if (IMPORT_LINES.seal.test(stderr)) return "merge/seal";
  if (IMPORT_LINES.resolved.test(stderr)) return "pull";
  return after.reservations.includes(ownLock) ? "resolve" : "reserve";
}

/** It removes what others left, and mends catalogs: there is something to see only where there was something to do. */
function maintenanceStage({ changes, before, after }: Remains): Stage {
  if (after.newCatalogs.length > 0) return "write";
  const leftBefore = leftovers(before);
  const leftAfter = leftovers(after);
  if (leftBefore > 0 && leftAfter === 0) return "exit";
  if (leftAfter < leftBefore || after.trash.length > before.trash.length) return "remove old";
  return changes > 0 ? "open" : "start";
}

function leftovers({ locks, ingests, orphans, trash }: StoreTraces): number {
  return locks.length + ingests.length + orphans.length + trash.length;
}

/** Of a repair of a catalog that was damaged: where the new one is, or what is still lying beside it. */
export function repairStage(
  home: string,
  changes: number,
  restored: ReadonlyMap<string, string>,
): Stage {
  if (readdirSync(home).some((name) => name.includes(".new-"))) return "write";
  if (isRestored(home, restored)) {
    return existsSync(join(home, "ingest", "repair.lock")) ? "published" : "exit";
  }
  return changes > 0 ? "open" : "start";
}

function isRestored(home: string, restored: ReadonlyMap<string, string>): boolean {
  try {
    return namesText(storeTraces(home).names) === namesText(restored);
  } catch {
    // Damaged still.
    return false;
  }
}
