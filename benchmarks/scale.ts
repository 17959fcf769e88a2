import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { COMMAND } from "./contestants.ts";
import { measureContestant } from "./measure/measure-contestant.ts";
import type { Measurement } from "./measure/measure-script.ts";
import { resultPath, writeResult } from "./report/result-files.ts";
import { median } from "./report/statistics.ts";
import { mebibytes, spread, textTable } from "./report/text-table.ts";
import { goodRuns, valuesOf } from "./rows.ts";
import { entryGrowth, layerGrowth, type MeasuredPoint } from "./scale/growth.ts";
import { makeScaleImage, scalePoints, type ScalePoint } from "./scale/series.ts";

/**
 * npm run bench:scale -- [--entries 1000,10000,100000,1000000] [--layers 1,10,100] [--layer-entries 100000] [--body 100]
 *                        [--format ext4] [--runs 3] [--tmpfs DIR] [--json FILE]
 *
 * Imports of made images out of OCI layouts, of more and more entries and of more and more layers, and how time and
 * memory grow. --body: bytes of each file. A million files take 4 GiB of a tmpfs as a disk image, with 0 bytes nearly none.
 */
interface Row extends ScalePoint {
  readonly runs: Measurement[];
}

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "1000,10000,100000,1000000" },
    layers: { type: "string", default: "1,10,100" },
    "layer-entries": { type: "string", default: "100000" },
    body: { type: "string", default: "100" },
    format: { type: "string", default: "ext4" },
    runs: { type: "string", default: "3" },
    tmpfs: { type: "string", default: "/dev/shm" },
    json: { type: "string" },
  },
});
const rows = scalePoints({ ...values, layerEntries: values["layer-entries"] }).map((point): Row =>
  Object.assign(point, { runs: [] }),
);
const imagesPath = mkdtempSync(join(values.tmpfs, "bench-images-"));
try {
  for (const row of rows) {
    process.stderr.write(`making ${nameOf(row)}\n`);
    await makeScaleImage(row, Number(values.body), pathOf(row));
  }
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const row of rows) await measure(row, round);
  }
} finally {
  rmSync(imagesPath, { recursive: true, force: true });
}
printRows();
for (const line of [...entryGrowth(measured("entries")), ...layerGrowth(measured("layers"))]) {
  process.stdout.write(`${line}\n`);
}
writeResult(values.json ?? resultPath("scale", ".json"), {
  bodyBytes: Number(values.body),
  format: values.format,
  rows,
});
if (rows.some((row) => goodRuns(row).length === 0)) process.exitCode = 1;

async function measure(row: Row, round: number): Promise<void> {
  const script = `ROOTLIFT_HOME=$W/home ${COMMAND} sbx image import oci:${pathOf(row)}:case --quiet --no-fsync --format ${values.format} -n scale`;
  const run = await measureContestant({ script }, values.tmpfs);
  row.runs.push(run);
  const outcome = run.error ?? `${run.wallSeconds.toFixed(2)} s`;
  process.stderr.write(`${round}/${values.runs} ${nameOf(row)}: ${outcome}\n`);
}

function nameOf({ entries, layers }: ScalePoint): string {
  return `${entries} entries in ${layers} layers`;
}

function pathOf({ series, entries, layers }: ScalePoint): string {
  return join(imagesPath, `${series}-${entries}-${layers}`);
}

function measured(series: ScalePoint["series"]): readonly MeasuredPoint[] {
  return rows
    .filter((row) => row.series === series && goodRuns(row).length > 0)
    .map((row) => ({
      entries: row.entries,
      layers: row.layers,
      wallSeconds: median(valuesOf(row, "wallSeconds")),
      peakRssBytes: median(valuesOf(row, "peakRssBytes")),
    }));
}

function printRows(): void {
  const head = ["entries", "layers", "wall s", "spread", "CPU s", "µs an entry", "peak MiB"];
  const lines = rows.map(figuresOf);
  process.stdout.write(textTable(head, lines));
}

function figuresOf(row: Row): readonly string[] {
  const image = [String(row.entries), String(row.layers)];
  const walls = valuesOf(row, "wallSeconds");
  if (walls.length === 0) return [...image, "failed"];
  return [
    ...image,
    median(walls).toFixed(2),
    spread(walls, 2),
    median(valuesOf(row, "cpuSeconds")).toFixed(2),
    ((median(walls) / row.entries) * 1e6).toFixed(1),
    mebibytes(median(valuesOf(row, "peakRssBytes"))),
  ];
}
