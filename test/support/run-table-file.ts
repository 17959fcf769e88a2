import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ImportError } from "../../src/errors.ts";
import { isObject } from "./tables/expect-row.ts";
import { TABLE_KINDS } from "./tables/index.ts";

export interface TableResult {
  readonly passed: number;
  /** One line each. */
  readonly failures: readonly string[];
}

/** Runs all rows of one file. What cannot be run at all (unreadable, of no known kind) is one failure, never a throw. */
export async function runTableFile(file: string): Promise<TableResult> {
  const failures: string[] = [];
  let passed = 0;
  try {
    const document: unknown = JSON.parse(await readFile(file, "utf8"));
    const kind = tableKind(file, document);
    const load = TABLE_KINDS[kind];
    if (load === undefined) {
      throw new Error(`unknown kind of table (known: ${Object.keys(TABLE_KINDS).join(", ")})`);
    }
    const runner = await load();
    try {
      const rows = runner.rows(document);
      if (rows.length === 0) failures.push("the table has no rows");
      for (const row of rows) {
        const failure = await row.run().catch((error: unknown) => `threw ${describe(error)}`);
        if (failure === undefined) passed += 1;
        else failures.push(oneLine(`${row.name}: ${failure}`));
      }
    } finally {
      await runner.close?.();
    }
  } catch (error) {
    failures.push(oneLine(describe(error)));
  }
  return { passed, failures };
}

/**
 * The file's `kind`; else its name without `.json`; else the longest known kind that the name starts with, since
 * files come as `references-hidden.json` or `references.2.json` too.
 */
export function tableKind(file: string, document: unknown): string {
  if (isObject(document) && typeof document["kind"] === "string") return document["kind"];
  const name = basename(file).replace(/\.json$/, "");
  const known = Object.keys(TABLE_KINDS).toSorted((a, b) => b.length - a.length);
  return known.find((kind) => name.startsWith(kind)) ?? name;
}

function describe(error: unknown): string {
  if (error instanceof ImportError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ");
}
