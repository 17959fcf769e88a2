import type { CatalogContents } from "./catalog-contents.ts";
import { checkSnapshot } from "./check-snapshot.ts";
import { fileError } from "./store-error.ts";
import type { StoreLayout } from "./store-home.ts";
import { surveyStore, type StoreSurvey } from "./store-survey.ts";

/** Something that is not as it must be. */
export interface StoreProblem {
  /** A path of the store, or a snapshot with its names. */
  readonly subject: string;
  readonly problem: string;
  /**
   * What mends it: `repair` (`tl store check --repair`), `gc` (`tl store gc`, or the next command of any kind), `import` (the
   * image has to be imported again), or `look`: somebody has to look.
   */
  readonly remedy: "repair" | "gc" | "import" | "look";
}

export interface StoreFindings {
  readonly survey: StoreSurvey;
  readonly problems: readonly StoreProblem[];
}

/**
 * Looks at everything in the store but the contents of root filesystems, and changes nothing. What other processes do
 * meanwhile is no problem: whatever is found is looked at twice.
 * @throws ImportError ERR_STORE_NEWER, ERR_STORE_IO
 */
export async function inspectStore(layout: StoreLayout): Promise<StoreFindings> {
  const first = await inspectOnce(layout);
  if (first.problems.length === 0) return first;
  const second = await inspectOnce(layout);
  const seen = new Set(first.problems.map(keyOf));
  return { ...second, problems: second.problems.filter((problem) => seen.has(keyOf(problem))) };
}

function keyOf({ subject, problem }: StoreProblem): string {
  return `${subject}\0${problem}`;
}

async function inspectOnce(layout: StoreLayout): Promise<StoreFindings> {
  const survey = await surveyStore(layout);
  const problems: StoreProblem[] = survey.catalog.faults.map((problem) => ({
    subject: layout.catalogPath,
    problem,
    remedy: "repair",
  }));
  const catalogLost = problems.length > 0;
  for (const [id, record] of survey.catalog.records) {
    const subject = snapshotLabel(survey.catalog, id);
    try {
      for (const found of checkSnapshot(layout, record)) problems.push({ subject, ...found });
    } catch (error) {
      const { message } = fileError(error, "check", layout.snapshotsPath);
      problems.push({ subject, problem: message, remedy: "look" });
    }
  }
  const unrecorded = catalogLost ? [...survey.unrecorded, ...survey.unfinished] : survey.unrecorded;
  for (const id of unrecorded) {
    problems.push({ subject: id, problem: "the catalog has no record of it", remedy: "repair" });
  }
  if (!catalogLost) {
    for (const { what, paths } of survey.leftovers) {
      problems.push({ subject: paths[0], problem: `it is ${what}`, remedy: "gc" });
    }
  }
  for (const path of survey.strangers) {
    problems.push({ subject: path, problem: "it is not rootlift's", remedy: "look" });
  }
  return { survey, problems };
}

/** `snap_… ("app", "app:2")` */
export function snapshotLabel({ images }: CatalogContents, id: string): string {
  const names = images.filter(({ snapshotId }) => snapshotId === id).map(({ name }) => `"${name}"`);
  return names.length === 0 ? id : `${id} (${names.join(", ")})`;
}
