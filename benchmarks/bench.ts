import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { contestants, type Contestant } from "./contestants.ts";
import { timeContestant, type Timing } from "./time-contestant.ts";

/**
 * npm run bench -- REF [--runs 3] [--on tmpfs,disk] [--only TEXT] [--tmpfs DIR] [--disk DIR] [--json FILE]
 *
 * Times our import and the peers on one image, alternating, each run with cold storage, and prints medians and ratios.
 * REF has no scheme: 127.0.0.1:5000/lab/app:2, a registry that speaks http on loopback.
 */
interface Row {
  readonly place: string;
  readonly name: string;
  readonly isOurs: boolean;
  readonly result: string;
  readonly syncs: boolean;
  readonly runs: readonly Timing[];
}

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
const [reference] = positionals;
if (reference === undefined) throw new Error("npm run bench -- REF: no reference given");
const places: Readonly<Record<string, string>> = { tmpfs: values.tmpfs, disk: values.disk };

const rows: Row[] = [];
for (const place of values.on.split(",")) {
  const chosen = contestants(reference).filter(
    (contestant) => contestant.name.includes(values.only) && isInstalled(contestant),
  );
  rows.push(...(await runPlace(place, chosen)));
}
printRows(rows);
const path = values.json ?? defaultResultPath(reference);
writeFileSync(path, `${JSON.stringify({ reference, machine: machine(), rows }, undefined, 2)}\n`);
process.stdout.write(`\nwritten to ${path}\n`);

/** Alternates: a slow minute of a shared machine then hits everyone. */
async function runPlace(place: string, chosen: readonly Contestant[]): Promise<readonly Row[]> {
  const workPath = places[place];
  if (workPath === undefined) throw new Error(`--on takes tmpfs and disk, not ${place}`);
  const runs = new Map<string, Timing[]>(chosen.map(({ name }) => [name, []]));
  for (let round = 1; round <= Number(values.runs); round++) {
    for (const contestant of chosen) {
      const timing = await timeContestant(contestant, workPath);
      runs.get(contestant.name)?.push(timing);
      const outcome = timing.error ?? `${timing.wallSeconds.toFixed(2)} s`;
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

function isInstalled({ name, script }: Contestant): boolean {
  const programs = ["skopeo", "umoci", "buildah", "ctr"].filter((tool) =>
    new RegExp(`(^|[ &])${tool} `).test(script),
  );
  const missing = programs.filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (missing.length > 0) process.stderr.write(`${name}: left out, ${missing.join()} is missing\n`);
  return missing.length === 0;
}

function printRows(all: readonly Row[]): void {
  const head = ["on", "who", "makes", "synced", "wall s", "spread", "CPU s", "peak MiB", "÷ ours"];
  const lines = all.map((row) => {
    const good = row.runs.filter(({ error }) => error === undefined);
    if (good.length === 0) return [row.place, row.name, row.result, "", "failed", "", "", "", ""];
    const walls = good.map(({ wallSeconds }) => wallSeconds);
    return [
      row.place,
      row.name,
      row.result,
      row.syncs ? "yes" : "no",
      median(walls).toFixed(2),
      `${Math.min(...walls).toFixed(2)}–${Math.max(...walls).toFixed(2)}`,
      median(good.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
      (Math.max(...good.map(({ peakRssBytes }) => peakRssBytes)) / 2 ** 20).toFixed(0),
      (median(walls) / oursFor(row, all)).toFixed(2),
    ];
  });
  const widths = head.map((title, column) =>
    Math.max(...[head, ...lines].map((line) => (line[column] ?? title).length)),
  );
  for (const line of [head, ...lines]) {
    const cells = line.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    process.stdout.write(`${cells.join("  ").trimEnd()}\n`);
  }
}

/** Ours that leaves the same and does as much for the bytes' safety; a layer store is compared with our directory. */
function oursFor({ place, result, syncs }: Row, all: readonly Row[]): number {
  const kind = result === "disk image" ? result : "directory";
  const ours = all.find(
    (row) => row.isOurs && row.place === place && row.result === kind && row.syncs === syncs,
  );
  return median(ours?.runs.map(({ wallSeconds }) => wallSeconds) ?? []);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function machine(): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    shaExtensions: /\bsha_ni\b/.test(flags) ? "yes" : "no",
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString(),
  };
}

function defaultResultPath(ref: string): string {
  const directory = join(import.meta.dirname, "results");
  mkdirSync(directory, { recursive: true });
  return join(
    directory,
    `${ref
      .split("/")
      .slice(1)
      .join("-")
      .replaceAll(/[^\w.-]/g, "-")}.json`,
  );
}
