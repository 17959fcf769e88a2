import { parse, TomlError } from "smol-toml";
import { ImportError, printable } from "../../errors.ts";
import { isObject } from "../../oci/json-object.ts";
import type { JsonObject } from "../../oci/json-object.ts";

/** One table of a TOML file, and where it stands. */
export interface TomlTable {
  readonly path: string;
  readonly text: string;
  readonly values: JsonObject;
  /** The headers that lead to it: `[registry, the 2nd]`, `[registry.mirror, the 1st after that]`. */
  readonly steps: readonly TableStep[];
}

interface TableStep {
  /** Without quotes and blanks: `host.https://mirror.example.com`. */
  readonly header: string;
  /** Among headers of this name, from 0. */
  readonly nth: number;
}

/** Real files have two levels. */
const MOST_NESTED = 16;

/** @throws ImportError ERR_CONFIG_INVALID with file and line, and none of what stands there: headers are secrets */
export function parseTomlFile(text: string, path: string): TomlTable {
  const root = { path, text, values: {}, steps: [] };
  try {
    return {
      ...root,
      values: parse(text, { unsafeKeyBehaviour: "throw", maxDepth: MOST_NESTED }),
    };
  } catch (error) {
    // Its message goes on with the lines themselves.
    const said = error instanceof TomlError ? (error.message.split("\n")[0] ?? "") : "not TOML";
    const line = error instanceof TomlError ? error.line : 1;
    throw invalidLine(root, line, said.replace("Invalid TOML document: ", "no TOML: "));
  }
}

/** @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function textIn(table: TomlTable, key: string): string | undefined {
  const value = table.values[key];
  if (value === undefined || typeof value === "string") return value;
  throw invalidAt(table, key, `${key} must be a string`);
}

/** @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function flagIn(table: TomlTable, key: string): boolean | undefined {
  const value = table.values[key];
  if (value === undefined || typeof value === "boolean") return value;
  throw invalidAt(table, key, `${key} must be true or false`);
}

/** A list of strings, or one string. @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function textsIn(table: TomlTable, key: string): readonly string[] | undefined {
  const value = table.values[key];
  if (value === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.filter((item) => typeof item === "string");
  if (texts.length === list.length) return texts;
  throw invalidAt(table, key, `${key} must be a string, or an array of strings`);
}

/** The tables of `[[key]]`. @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function tableListIn(table: TomlTable, key: string): readonly TomlTable[] {
  const value = table.values[key] ?? [];
  if (!Array.isArray(value) || !value.every(isObject)) {
    throw invalidAt(table, key, `${key} must be tables, [[${headerOf(table, key)}]]`);
  }
  return value.map((values, nth) => below(table, { header: headerOf(table, key), nth }, values));
}

/** The tables of `[key."NAME"]`, in the order of the file. @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function namedTablesIn(
  table: TomlTable,
  key: string,
): readonly (readonly [string, TomlTable])[] {
  const value = table.values[key] ?? {};
  if (!isObject(value)) throw invalidAt(table, key, `${key} must be tables, [${key}."NAME"]`);
  return Object.entries(value).map(([name, values]) => {
    const header = `${headerOf(table, key)}.${name}`;
    if (isObject(values)) return [name, below(table, { header, nth: 0 }, values)] as const;
    throw invalidAt(table, key, `${key}."${printable(name)}" must be a table`);
  });
}

/** The table `[key]`. @throws ImportError ERR_CONFIG_INVALID when it is something else */
export function tableIn(table: TomlTable, key: string): TomlTable | undefined {
  const value = table.values[key];
  if (value === undefined) return undefined;
  if (!isObject(value)) throw invalidAt(table, key, `${key} must be a table`);
  return below(table, { header: headerOf(table, key), nth: 0 }, value);
}

/** What is wrong with a key of the table, or with the table itself. */
export function invalidAt(table: TomlTable, key: string | undefined, why: string): ImportError {
  return invalidLine(table, lineOf(table, key), why);
}

function invalidLine({ path }: TomlTable, line: number, why: string): ImportError {
  const where = printable(path);
  return new ImportError("ERR_CONFIG_INVALID", `${where}, line ${line}: ${why}`, {
    hint: "Correct the file, or leave out the option or variable that names it.",
    details: { path: where, line },
  });
}

function below(table: TomlTable, step: TableStep, values: JsonObject): TomlTable {
  return { ...table, values, steps: [...table.steps, step] };
}

function headerOf({ steps }: TomlTable, key: string): string {
  const parent = steps.at(-1)?.header;
  return parent === undefined ? key : `${parent}.${key}`;
}

/** From 1. Of a table that is written inline, the line of what it stands in. */
function lineOf({ text, steps }: TomlTable, key: string | undefined): number {
  const lines = text.split("\n");
  const headers = lines.map(headerName);
  let at = -1;
  for (const { header, nth } of steps) {
    let left = nth;
    const found = headers.findIndex((name, index) => index > at && name === header && left-- === 0);
    // A table without a header of its own: its parent, or its child, has one.
    if (found >= 0) at = found;
  }
  const next = headers.findIndex((name, index) => index > at && name !== undefined);
  const end = next < 0 ? lines.length : next;
  const wanted = lines.findIndex(
    (line, index) => index > at && index < end && keyName(line) === key && key !== undefined,
  );
  return Math.max(0, wanted < 0 ? at : wanted) + 1;
}

function headerName(line: string): string | undefined {
  const name = /^\s*\[{1,2}([^[\]]*|.*"[^"]*".*)\]{1,2}\s*(?:#.*)?$/.exec(line)?.[1];
  return name?.replaceAll(/["'\s]/g, "");
}

function keyName(line: string): string | undefined {
  return /^\s*["']?([\w-]+)["']?\s*[=.]/.exec(line)?.[1];
}
