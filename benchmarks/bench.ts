import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { contestants, missingPrograms, type Contestant } from "./contestants.ts";
import { measureContestant } from "./measure/measure-contestant.ts";
import type { Measurement } from "./measure/measure-script.ts";
import { placePicture } from "./place-picture.ts";
import { goodRuns, valuesOf, type Row } from "./rows.ts";
import { resultPath, writePicture, writeResult } from "./report/result-files.ts";
import { median } from "./report/statistics.ts";
import { mebibytes, spread, textTable } from "./report/text-table.ts";

/**
 * npm run bench -- [REF] [--runs 3] [--on tmpfs,disk] [--only TEXT] [--tmpfs DIR] [--disk DIR] [--json FILE]
 *
 * Measures our import and the peers on one image, alternating, each run with cold storage; prints medians, spreads and
 * ratios. REF has no scheme: a registry that speaks http on loopback. --only: contestants whose name has one of these
 * words, separated by commas.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "3" },
    on: { type: "string", default: "tmpfs,disk" },
    only: { type: "string", default: "" },
    tmpfs: { type: "string", default: "/dev/shm" },
    disk: { type: "string", default: tmpdir() },
    json: { type: "string" },
  },
});
const [reference = "127.0.0.1:5000/lab/app:2"] = positionals;
const places: Readonly<Record<string, string>> = { tmpfs: values.tmpfs, disk: values.disk };
const chosen = contestants(reference).filter(isChosen);

const rows: Row[] = [];
for (const place of values.on.split(",")) rows.push(...(await runPlace(place)));
printRows(rows);
printCostOfSync(rows);
const path = values.json ?? resultPath(reference, ".json");
writeResult(path, { reference, rows });
for (const place of values.on.split(",")) {
  writePicture(path.replace(/(\.json)?$/, `-${place}.svg`), placePicture(reference, place, rows));
}
if (rows.some((row) => row.isOurs && goodRuns(row).length === 0)) process.exitCode = 1;

function isChosen(contestant: Contestant): boolean {
  if (!values.only.split(",").some((word) => contestant.name.includes(word))) return false;
  const missing = missingPrograms(contestant);
  if (missing.length === 0) return true;
  process.stderr.write(`${contestant.name}: left out, ${missing.join()} is missing\n`);
  return false;
}

/** Alternates: a slow minute of a shared machine then hits everyone. */
async function runPlace(place: string): Promise<readonly Row[]> {
  const workPath = places[place];
  if (workPath === undefined) throw new Error(`--on takes tmpfs and disk, not ${place}`);
  const runs = new Map<string, Measurement[]>(chosen.map(({ name }) => [name, []]));
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const contestant of chosen) {
      const measured = await measureContestant(contestant, workPath);
      runs.get(contestant.name)?.push(measured);
      const outcome = measured.error ?? `${measured.wallSeconds.toFixed(2)} s`;
      process.stderr.write(`${place} ${round}/${values.runs} ${contestant.name}: ${outcome}\n`);
    }
  }
  return chosen.map(({ name, isOurs = false, result, syncs }) => ({
    place,
    name,
    isOurs,
    result,
    syncs,
    runs: runs.get(name) ?? [],
  }));
}

function printRows(all: readonly Row[]): void {
  const head =
    "on,who,makes,synced,wall s,spread,CPU s,spread,peak MiB,written MiB,to disk MiB,÷ ours wall,÷ ours CPU";
  const lines = all.map((row) => {
    const start = [row.place, row.name, row.result, row.syncs ? "yes" : "no"];
    if (goodRuns(row).length === 0) return [...start, "failed"];
    const [wall, cpu] = [valuesOf(row, "wallSeconds"), valuesOf(row, "cpuSeconds")];
    const ours = oursFor(row, all);
    return [
      ...start,
      median(wall).toFixed(2),
      spread(wall, 2),
      median(cpu).toFixed(2),
      spread(cpu, 2),
      mebibytes(Math.max(...valuesOf(row, "peakRssBytes"))),
      mebibytes(median(valuesOf(row, "writtenBytes"))),
      mebibytes(median(valuesOf(row, "storageBytes"))),
      ratio(median(wall), ours && median(valuesOf(ours, "wallSeconds"))),
      ratio(median(cpu), ours && median(valuesOf(ours, "cpuSeconds"))),
    ];
  });
  process.stdout.write(textTable(head.split(","), lines));
}

/** Ours that leaves the same and does as much for the bytes' safety; a layer store is compared with our directory. */
function oursFor({ place, result, syncs }: Row, all: readonly Row[]): Row | undefined {
  const kind = result === "layer store" ? "directory" : result;
  return all.find(
    (row) => row.isOurs && row.place === place && row.result === kind && row.syncs === syncs,
  );
}

function ratio(theirs: number, ours: number | undefined): string {
  return ours === undefined ? "" : (theirs / ours).toFixed(2);
}

function printCostOfSync(all: readonly Row[]): void {
  for (const row of all.filter(({ isOurs, syncs }) => isOurs && syncs)) {
    const without = oursFor({ ...row, syncs: false }, all);
    if (without === undefined) continue;
    const cost = median(valuesOf(row, "wallSeconds")) - median(valuesOf(without, "wallSeconds"));
    process.stdout.write(`fsync on ${row.place}, ${row.result}: ${cost.toFixed(2)} s\n`);
  }
}
