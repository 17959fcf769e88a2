import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { COMMAND } from "./contestants.ts";
import { ratiosToFloors, type FloorRow } from "./floor/ratios-to-floors.ts";
import { measureContestant, type Runnable } from "./measure/measure-contestant.ts";
import { copyBlobs } from "./registry/copy-blobs.ts";
import { readImage } from "./registry/read-image.ts";
import { resultPath, writeResult } from "./report/result-files.ts";
import { median } from "./report/statistics.ts";
import { mebibytes, spread, textTable } from "./report/text-table.ts";
import { goodRuns, valuesOf } from "./rows.ts";

/**
 * npm run bench:floor -- [REF…] [--runs 3] [--on tmpfs] [--only NAME,…] [--tmpfs DIR] [--disk DIR] [--json FILE]
 *
 * Our import to a disk image and the floor below it, alternating, each run a process of its own with cold storage.
 */
interface Contender extends Runnable {
  readonly name: string;
  readonly isFloor: boolean;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "3" },
    on: { type: "string", default: "tmpfs" },
    tmpfs: { type: "string", default: "/dev/shm" },
    disk: { type: "string", default: tmpdir() },
    only: { type: "string", default: "" },
    json: { type: "string" },
  },
});
const references =
  positionals.length > 0
    ? positionals
    : ["127.0.0.1:5000/lab/app:2", "127.0.0.1:5000/lab/python:full"];
const places: Readonly<Record<string, string>> = { tmpfs: values.tmpfs, disk: values.disk };

const rows: FloorRow[] = [];
for (const place of values.on.split(",")) {
  for (const reference of references) rows.push(...(await runImage(reference, place)));
}
printRows();
process.stdout.write(
  `\n${textTable(["image", "on", "ratio", "wall", "CPU"], ratiosToFloors(rows))}`,
);
writeResult(values.json ?? resultPath("floor", ".json"), { rows });
if (rows.some((row) => goodRuns(row).length === 0)) process.exitCode = 1;

async function runImage(reference: string, place: string): Promise<readonly FloorRow[]> {
  const workPath = places[place];
  if (workPath === undefined) throw new Error(`--on takes tmpfs and disk, not ${place}`);
  const blobsPath = mkdtempSync(join(workPath, "bench-blobs-"));
  try {
    const { layers } = await readImage(reference);
    await copyBlobs(layers, blobsPath);
    const all = contenders(reference, blobsPath).filter(
      ({ name }) => values.only === "" || values.only.split(",").includes(name),
    );
    const measured = all.map(({ name, isFloor }): FloorRow => ({
      image: reference,
      place,
      name,
      isFloor,
      runs: [],
    }));
    for (let round = 1; round <= Number(values.runs); round++) {
      for (const [at, contender] of all.entries()) {
        const run = await measureContestant(contender, workPath);
        measured[at]?.runs.push(run);
        const outcome = run.error ?? `${run.wallSeconds.toFixed(2)} s`;
        process.stderr.write(`${place} ${round}/${values.runs} ${contender.name}: ${outcome}\n`);
      }
    }
    return measured;
  } finally {
    rmSync(blobsPath, { recursive: true, force: true });
  }
}

function contenders(reference: string, blobsPath: string): readonly Contender[] {
  const floor = `${process.execPath} ${resolve(import.meta.dirname, "floor/run-floor.ts")} ${reference} --output $W`;
  const ours = `ROOTLIFT_HOME=$W/home ${COMMAND} sbx image import ${reference} --quiet --format ext4`;
  return [
    { name: "rootlift", isFloor: false, script: ours },
    { name: "rootlift --no-fsync", isFloor: false, script: `${ours} --no-fsync` },
    { name: "floor", isFloor: true, script: floor },
    { name: "floor, largest layer split", isFloor: true, script: `${floor} --split` },
    {
      name: "floor without network",
      isFloor: true,
      script: `${floor} --blobs ${blobsPath}`,
    },
    {
      name: "floor without network, split",
      isFloor: true,
      script: `${floor} --split --blobs ${blobsPath}`,
    },
  ];
}

function printRows(): void {
  const head = ["image", "on", "what", "wall s", "spread", "CPU s", "peak MiB", "written MiB"];
  const lines = rows.map(figuresOf);
  process.stdout.write(textTable(head, lines));
}

function figuresOf(row: FloorRow): readonly string[] {
  const start = [row.image, row.place, row.name];
  const walls = valuesOf(row, "wallSeconds");
  if (walls.length === 0) return [...start, "failed"];
  return [
    ...start,
    median(walls).toFixed(2),
    spread(walls, 2),
    median(valuesOf(row, "cpuSeconds")).toFixed(2),
    mebibytes(Math.max(...valuesOf(row, "peakRssBytes"))),
    mebibytes(median(valuesOf(row, "writtenBytes"))),
  ];
}
