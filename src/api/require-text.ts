import { ImportError } from "../errors.ts";

/**
 * For callers without types: a number where a name belongs is an error that says so.
 * @throws ImportError ERR_OPTION_INVALID
 */
export function requireText(what: string, value: unknown): asserts value is string {
  if (typeof value === "string") return;
  throw new ImportError(
    "ERR_OPTION_INVALID",
    `${what} must be a string, and is ${value === null ? "null" : typeof value}`,
  );
}
