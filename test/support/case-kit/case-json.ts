import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** JSON as it was written: whole numbers beyond 2^53 are bigints, so that no digit is lost. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** One case of a layer case file; its fields are described in the README of `testdata`. */
export interface LayerCase {
  readonly name: string;
  readonly file: string;
  readonly fields: JsonObject;
}

/** @throws Error naming the file when it is not a case file */
export function loadCases(path: string): readonly LayerCase[] {
  const document = parseJson(readFileSync(path, "utf8"));
  const cases = isObject(document) ? document["cases"] : undefined;
  if (!isList(cases)) throw new Error(`${path}: no list of cases`);
  return cases.filter(isObject).map((fields, index) => ({
    name: text(fields["name"] ?? `case ${index + 1}`),
    file: basename(path),
    fields,
  }));
}

export function parseJson(source: string): Json {
  const parsed: Json = JSON.parse(source, reviveWholeNumber);
  return parsed;
}

function reviveWholeNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const { source = "" } = context ?? {};
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** The inverse of `parseJson`: bigints are written as the whole numbers they were. */
export function stringifyJson(value: Json): string {
  if (typeof value === "bigint") return String(value);
  if (isList(value)) return `[${value.map(stringifyJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, field]) => `${JSON.stringify(key)}:${stringifyJson(field)}`,
  );
  return `{${fields.join(",")}}`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function objectAt(value: JsonObject, key: string): JsonObject {
  const found = value[key];
  return isObject(found) ? found : {};
}

export function listAt(value: JsonObject, key: string): readonly Json[] {
  const found = value[key];
  return isList(found) ? found : [];
}

export function text(value: Json): string {
  return typeof value === "string" ? value : stringifyJson(value);
}

/** Modes are octal strings ("0644"); other numbers are JSON numbers. */
export function whole(value: Json | undefined, fallback: number): bigint {
  if (typeof value === "string") return BigInt(Number.parseInt(value, 8));
  if (typeof value === "bigint") return value;
  return BigInt(Math.trunc(typeof value === "number" ? value : fallback));
}
