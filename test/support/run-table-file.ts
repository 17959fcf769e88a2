import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ImportError } from "../../src/errors.ts";
import { casesOf, isObject, nameOfRow } from "./tables/expect-row.ts";
import { kindOfRow, TABLE_KINDS } from "./tables/index.ts";
import type { TableRunner } from "./tables/table-runner.ts";

export interface TableResult {
  readonly passed: number;
  /** One line each. */
  readonly failures: readonly string[];
}

/** Runs all rows of one file. What cannot be run at all (unreadable, of no known kind) is one failure, never a throw. */
export async function runTableFile(file: string): Promise<TableResult> {
  try {
    // The decoder drops a byte order mark.
    const text = new TextDecoder().decode(await readFile(file));
    const document: unknown = JSON.parse(text);
    const load = TABLE_KINDS[tableKind(file, document)];
    if (load === undefined) {
      throw new Error(`unknown kind of table (known: ${Object.keys(TABLE_KINDS).join(", ")})`);
    }
    return await runRows(casesOf(document), await load());
  } catch (error) {
    return { passed: 0, failures: [oneLine(describe(error))] };
  }
}

async function runRows(rows: readonly unknown[], runner: TableRunner): Promise<TableResult> {
  const failures = rows.length === 0 ? ["the table has no rows"] : [];
  let passed = 0;
  for (const [at, row] of rows.entries()) {
    const failure = await runRow(row, runner).catch((error: unknown) => `threw ${describe(error)}`);
    if (failure === undefined) passed += 1;
    else failures.push(oneLine(`${nameOfRow(row, at)}: ${failure}`));
  }
  await runner.close?.();
  return { passed, failures };
}

async function runRow(row: unknown, runner: TableRunner): Promise<string | undefined> {
  return isObject(row) ? runner.run(row) : "the row is no object";
}

/**
 * The file's `kind`; else its name without `.json`, or the longest known kind that the name starts with, since files come
 * as `references-hidden.json` or `references.2.json` too; else what the first row looks like.
 */
export function tableKind(file: string, document: unknown): string {
  if (isObject(document) && typeof document["kind"] === "string") return document["kind"];
  const name = basename(file).replace(/\.json$/, "");
  const known = Object.keys(TABLE_KINDS).toSorted((a, b) => b.length - a.length);
  return known.find((kind) => name.startsWith(kind)) ?? kindOfRows(document) ?? name;
}

function kindOfRows(document: unknown): string | undefined {
  const rows = isObject(document) ? document["cases"] : document;
  const first: unknown = Array.isArray(rows) ? rows.find(isObject) : undefined;
  return isObject(first) ? kindOfRow(first) : undefined;
}

function describe(error: unknown): string {
  if (error instanceof ImportError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*[\n\r]\s*/g, " ");
}
