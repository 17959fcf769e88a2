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

/**
 * One draw is no proof that something never happens: GNU tar 1.34 takes a new file for its placeholder of a link that leads
 * out when it has the inode number of that, which ext4 gives out again at once, unless somebody else makes a file first.
 */
const MOST_DRAWS = 10;

/** @returns what is in no row, of any draw, and what a row says that happened in none */
export async function checkCase(
  layerCase: LayerCase,
  place: ComparePlace,
): Promise<readonly string[]> {
  const { name } = layerCase;
  const unlisted = new Set<string>();
  let stale = [...LISTED].filter((line) => line.endsWith(` ${name}`));
  for (let draw = 0; draw === 0 || (stale.length > 0 && draw < MOST_DRAWS); draw++) {
    const outcomes = await comparePeers(layerCase, place);
    const lines = outcomes.map(({ peer, kind }) => `${peer} ${kind} ${name}`);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind !== "agrees" && !LISTED.has(lines[index] ?? "")) {
        unlisted.add(`in no row: ${told(name, outcome)}`);
      }
    }
    stale = stale.filter((line) => !lines.includes(line));
  }
  return [...unlisted, ...stale.map((line) => `did not happen: ${line}`)];
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
