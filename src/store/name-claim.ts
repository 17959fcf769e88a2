import type { DatabaseSync } from "node:sqlite";
import { ImportError, printable } from "../errors.ts";
import type { Row } from "./catalog-rows.ts";
import type { ImageScope } from "./catalog.ts";

/** Somebody wants a name. */
export interface NameClaim extends ImageScope {
  readonly name: string;
  readonly public: boolean;
  readonly replace: boolean;
  /** The import that wants it; its own reservation is no obstacle. */
  readonly ingestId?: string;
}

/**
 * Within a transaction: refuses a name that is not free. The rules:
 *
 * 1. An image of the same project has it: refused, unless it is to be replaced.
 * 2. The claim is public, and another project has a public image of that name: refused; it is not ours to replace.
 *    A private image of another project is no obstacle: there, it wins the look-up, everywhere else ours is found.
 * 3. A running import has reserved it (in the project, or publicly when both are public): refused, even to replace: of two
 *    that replace at once, one would be lost. Reservations of imports that are gone do not count.
 *
 * @returns the image to be replaced
 * @throws ImportError ERR_NAME_TAKEN
 */
export function requireFreeName(
  database: DatabaseSync,
  claim: NameClaim,
  isIngestLive: (ingestId: string) => boolean,
): Row | undefined {
  const own = database
    .prepare("SELECT * FROM images WHERE project = ? AND name = ?")
    .get(claim.project, claim.name);
  if (own !== undefined && !claim.replace) {
    throw taken(claim, "is registered already", "or take the name over with --replace");
  }
  if (claim.public) {
    const other = database
      .prepare("SELECT project FROM images WHERE public = 1 AND name = ? AND project <> ?")
      .get(claim.name, claim.project);
    const owner = printable(String(other?.["project"]));
    if (other !== undefined) throw taken(claim, `is a public image of project "${owner}"`);
  }
  refuseReserved(database, claim, isIngestLive);
  return own;
}

const CONTENDING = `name = $name AND ingest_id <> $ingestId
  AND (project = $project OR (public = 1 AND $public = 1))`;

/** After `requireFreeName`: whatever still contends for the name belongs to imports that are gone. */
export function dropDeadReservations(database: DatabaseSync, claim: NameClaim): void {
  database.prepare(`DELETE FROM reservations WHERE ${CONTENDING}`).run(contention(claim));
}

function refuseReserved(
  database: DatabaseSync,
  claim: NameClaim,
  isIngestLive: (ingestId: string) => boolean,
): void {
  const reservations = database
    .prepare(`SELECT ingest_id, pid FROM reservations WHERE ${CONTENDING}`)
    .all(contention(claim));
  const live = reservations.find(({ ingest_id: id }) => typeof id === "string" && isIngestLive(id));
  if (live === undefined) return;
  const why = `is being imported by process ${String(live["pid"])}`;
  throw taken(claim, why, "or wait until that import has ended");
}

function contention({ name, project, ingestId = "", public: isPublic }: NameClaim): {
  readonly name: string;
  readonly project: string;
  readonly ingestId: string;
  readonly public: number;
} {
  return { name, project, ingestId, public: isPublic ? 1 : 0 };
}

function taken(claim: NameClaim, why: string, otherwise = ""): ImportError {
  const name = printable(claim.name);
  const hint = `Choose another name (of an import: with --registered-name)${otherwise === "" ? "" : `, ${otherwise}`}.`;
  return new ImportError("ERR_NAME_TAKEN", `image name "${name}" ${why}`, {
    hint,
    details: { name, project: printable(claim.project) },
  });
}
