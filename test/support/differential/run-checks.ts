import { globSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { isList, loadCases, stringifyJson, type LayerCase } from "../case-kit/case-json.ts";
import { comparePeers, type ComparePlace, type Outcome } from "./compare-peers.ts";
import { isExcused, LISTED } from "./deviations.ts";
import { randomArchive, traitsOf } from "./random-archive.ts";

const TESTDATA = join(import.meta.dirname, "../../../testdata");
/** Too much for peers that write every zero, or say what is told of the image and not of its layers. */
const LARGE = new Set(["subdirectories-66000", "many-small-files", "one-big-directory"]);

/** The layer cases that peers are asked about. */
export function differentialCases(): readonly LayerCase[] {
  return globSync(["corpus/layers/*.json", "cases/*.json"].map((glob) => join(TESTDATA, glob)))
    .toSorted()
    .flatMap(loadCases)
    .filter(({ name, fields }) => {
      const tags = isList(fields["tags"]) ? fields["tags"] : [];
      return !LARGE.has(name) && !tags.includes("bomb") && !tags.includes("slow");
    });
}

/** @returns what is in no row, and what a row says that did not happen */
export async function checkCase(
  layerCase: LayerCase,
  place: ComparePlace,
): Promise<readonly string[]> {
  const outcomes = await comparePeers(layerCase, place);
  const happened = new Set(outcomes.map(({ peer, kind }) => `${peer} ${kind} ${layerCase.name}`));
  const unlisted = outcomes.filter(
    ({ peer, kind }) => kind !== "agrees" && !LISTED.has(`${peer} ${kind} ${layerCase.name}`),
  );
  const stale = [...LISTED].filter(
    (line) => line.endsWith(` ${layerCase.name}`) && !happened.has(line),
  );
  return [
    ...unlisted.map((outcome) => `in no row: ${told(layerCase.name, outcome)}`),
    ...stale.map((line) => `did not happen: ${line}`),
  ];
}

/** @returns what no row excuses, with the archive that shows it */
export async function checkRandom(
  runs: number,
  seed: number,
  place: ComparePlace,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const archive of fc.sample(randomArchive, { numRuns: runs, seed })) {
    const traits = traitsOf(archive);
    const outcomes = await comparePeers(archive, place);
    for (const outcome of outcomes.filter((found) => !isExcused(found, traits))) {
      problems.push(
        `${told("generated", outcome)} ${stringifyJson(archive.fields["layers"] ?? [])}`,
      );
    }
  }
  return problems;
}

function told(name: string, { peer, kind, detail }: Outcome): string {
  return `${peer} ${kind} ${name} (${detail.replaceAll("\n", " ").slice(0, 300)})`;
}
