import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureContestant } from "./measure/measure-contestant.ts";
import type { Measurement } from "./measure/measure-script.ts";
import { configurations } from "./network/configurations.ts";
import { startImageServer, type ImageServer } from "./network/image-server.ts";
import { copiedImage, madeImage } from "./network/served-image.ts";
import { resultPath, writeResult } from "./report/result-files.ts";
import { median } from "./report/statistics.ts";
import { spread, textTable } from "./report/text-table.ts";
import { goodRuns, valuesOf } from "./rows.ts";

/**
 * npm run bench:network -- [REF] [--megabytes 20] [--delay 30] [--runs 3] [--config "NAME: [VARIABLE=value] [--option]"]…
 *                          [--made MIB,MIB] [--tmpfs DIR] [--json FILE]
 *
 * One image over lines of so many megabytes a second a connection, so many milliseconds away; alternating, cold storage.
 * --made: not REF but layers of so many MiB that cannot be compressed.
 */
interface Row {
  readonly name: string;
  readonly runs: Measurement[];
  /** Of the last run. */
  requests: number;
  ranges: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    megabytes: { type: "string", default: "20" },
    delay: { type: "string", default: "30" },
    runs: { type: "string", default: "3" },
    config: { type: "string", multiple: true, default: [] },
    made: { type: "string" },
    tmpfs: { type: "string", default: "/dev/shm" },
    json: { type: "string" },
  },
});
const line = { bytesPerSecond: Number(values.megabytes) * 1e6, roundTripMs: Number(values.delay) };
const [reference = "127.0.0.1:5000/lab/python:full"] = positionals;
const blobsPath = mkdtempSync(join(values.tmpfs, "bench-blobs-"));
try {
  const image =
    values.made === undefined
      ? await copiedImage(reference, blobsPath)
      : await madeImage(values.made.split(",").map(Number), blobsPath);
  const server = await startImageServer(image, line);
  try {
    const rows = await measureAll(server);
    printRows(rows, image.layerBytes);
    const made = values.made === undefined ? reference : `made ${values.made} MiB`;
    const result = { image: made, line, layerBytes: image.layerBytes, rows };
    writeResult(values.json ?? resultPath("network", ".json"), result);
    if (rows.some((row) => goodRuns(row).length === 0)) process.exitCode = 1;
  } finally {
    await server.close();
  }
} finally {
  rmSync(blobsPath, { recursive: true, force: true });
}

async function measureAll(server: ImageServer): Promise<readonly Row[]> {
  const all = configurations(server.reference, values.config);
  const rows = all.map(({ name }): Row => ({ name, runs: [], requests: 0, ranges: 0 }));
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const [at, configuration] of all.entries()) {
      const before = await server.counts();
      const run = await measureContestant(configuration, values.tmpfs);
      const after = await server.counts();
      const row = rows[at];
      row?.runs.push(run);
      Object.assign(row ?? {}, {
        requests: after.requests - before.requests,
        ranges: after.ranges - before.ranges,
      });
      const outcome = run.error ?? `${run.wallSeconds.toFixed(2)} s`;
      process.stderr.write(`${round}/${values.runs} ${configuration.name}: ${outcome}\n`);
    }
  }
  return rows;
}

function printRows(rows: readonly Row[], layerBytes: number): void {
  const slowest = median(rows[0] === undefined ? [] : valuesOf(rows[0], "wallSeconds"));
  const head = [
    "how",
    "wall s",
    "spread",
    "CPU s",
    "MB/s",
    "requests",
    "ranges",
    "times the first",
  ];
  const lines = rows.map((row) => {
    const walls = valuesOf(row, "wallSeconds");
    if (walls.length === 0) return [row.name, "failed"];
    return [
      row.name,
      median(walls).toFixed(2),
      spread(walls, 2),
      median(valuesOf(row, "cpuSeconds")).toFixed(2),
      (layerBytes / median(walls) / 1e6).toFixed(0),
      String(row.requests),
      String(row.ranges),
      (slowest / median(walls)).toFixed(2),
    ];
  });
  process.stdout.write(textTable(head, lines));
}
