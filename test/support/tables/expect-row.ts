import { ImportError } from "../../../src/errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The rows of a table: its `cases`, or the document itself when it is an array. @throws Error */
export function casesOf(document: unknown): readonly unknown[] {
  const cases: unknown = isObject(document) ? document["cases"] : document;
  if (!Array.isArray(cases)) throw new Error("the document is no array and has no `cases`");
  return cases;
}

/** What failures call a row: its name or input, else its place in the file, from 1. */
export function nameOfRow(row: unknown, at: number): string {
  const { name, input, reference } = isObject(row) ? row : {};
  const found = name ?? input ?? reference;
  if (typeof found !== "string") return `row ${at + 1}`;
  return found === name ? found : JSON.stringify(found);
}

/** @throws Error when the field is no string, or absent without a `fallback` */
export function textOf(row: JsonObject, field: string, fallback?: string): string {
  const value = row[field] ?? fallback;
  if (typeof value === "string") return value;
  throw new Error(`the row's \`${field}\` is no string`);
}

/** What a row's error must be: `{ code, messageContains? }`. */
export interface ExpectedError {
  readonly code: string;
  readonly messageContains?: string | undefined;
}

/** The row's `error`, read. @throws Error when it has none or it has no code */
export function expectedErrorOf(row: JsonObject): ExpectedError | undefined {
  const error = row["error"];
  if (error === undefined || error === null) return undefined;
  if (!isObject(error)) throw new Error("the row's `error` is no object");
  const part = error["messageContains"];
  return {
    code: textOf(error, "code"),
    messageContains: typeof part === "string" ? part : undefined,
  };
}

/** @returns `undefined` when the error is the expected one; the message part is looked for ignoring case. */
export function compareError(thrown: unknown, expected: ExpectedError): string | undefined {
  if (!(thrown instanceof ImportError)) {
    return `expected ${expected.code}, got ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`;
  }
  if (thrown.code !== expected.code) {
    return `expected ${expected.code}, got ${thrown.code}: ${thrown.message}`;
  }
  const part = expected.messageContains;
  const said = `${thrown.message}\n${thrown.hint ?? ""}`;
  if (part !== undefined && !said.toLowerCase().includes(part.toLowerCase())) {
    return `expected a message with ${JSON.stringify(part)}, got ${JSON.stringify(thrown.message)}`;
  }
  return undefined;
}

/** Compares the fields that `expected` has, as JSON; fields that only `actual` has are not looked at. */
export function compareFields(actual: JsonObject, expected: JsonObject): string | undefined {
  const wrong = Object.keys(expected)
    .filter((field) => JSON.stringify(actual[field]) !== JSON.stringify(expected[field]))
    .map(
      (field) =>
        `${field}: expected ${JSON.stringify(expected[field])}, got ${JSON.stringify(actual[field])}`,
    );
  return wrong.length === 0 ? undefined : wrong.join("; ");
}
