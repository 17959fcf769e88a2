import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageFormat } from "../../../src/index.ts";
import { importCommand, runImport } from "../case-kit/import-case.ts";
import { writeImageOfFiles } from "./image-of-files.ts";

const COUNTER = new URL("count-costs.ts", import.meta.url).href;

/** What one more file costs, on average. */
export interface CostsOfFile {
  readonly promises: number;
  /** Bytes given to write calls for each byte of its contents. */
  readonly writtenPerByte: number;
}

/**
 * What separates the import of an image of many files from that of one of few, so that the start of Node does not count.
 * @param work a directory of its own
 */
export async function costsOfFile(
  format: ImageFormat,
  work: string,
  [few, many]: readonly [number, number],
): Promise<CostsOfFile> {
  const less = await costsOf(few, format, join(work, "few"));
  const more = await costsOf(many, format, join(work, "many"));
  return {
    promises: (more.promises - less.promises) / (many - few),
    writtenPerByte: (more.writtenBytes - less.writtenBytes) / (more.bodyBytes - less.bodyBytes),
  };
}

async function costsOf(files: number, format: ImageFormat, work: string) {
  const bodyBytes = await writeImageOfFiles(work, files);
  const counts = join(work, "counts");
  const run = await runImport(importCommand(work, join(work, "out"), { format }), {
    work,
    env: { HOME: join(work, "user"), NODE_OPTIONS: `--import=${COUNTER}`, COSTS_FILE: counts },
    timeoutMs: 120_000,
  });
  if (run.exitCode !== 0) throw new Error(`the import of ${files} files failed: ${run.stderr}`);
  const costs: { promises: number; writtenBytes: number } = JSON.parse(
    readFileSync(counts, "utf8"),
  );
  return { ...costs, bodyBytes };
}
