import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";

const RESULTS = join(import.meta.dirname, "..", "results");

/** Writes figures with the machine that they are of. */
export function writeResult(path: string, result: Readonly<Record<string, unknown>>): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...result, machine: machine() }, undefined, 2)}\n`);
  process.stdout.write(`\nwritten to ${path}\n`);
}

export function writePicture(path: string, svg: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svg);
  process.stdout.write(`written to ${path}\n`);
}

/** A path in `results/` named after an image: `127.0.0.1:5000/lab/app:2` becomes `lab-app-2.json`. */
export function resultPath(reference: string, ending: string): string {
  const name = reference.split("/").slice(1).join("-") || reference;
  return join(RESULTS, `${name.replaceAll(/[^\w.-]/g, "-")}${ending}`);
}

function machine(): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    shaExtensions: /\bsha_ni\b|\bsha2\b/.test(flags) ? "yes" : "no",
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString(),
  };
}
