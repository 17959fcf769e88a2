import { ImportError, printable } from "../errors.ts";
import type { Environment } from "./store-settings.ts";

const VARIABLE = "ROOTLIFT_BLOB_CACHE";
const GIB = 2 ** 30;
const DEFAULT_BYTES = 10 * GIB;
const SIZE = /^(\d+(?:\.\d+)?)([kmgt])(?:i?b)?$/;
const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: GIB, t: 2 ** 40 };

/**
 * `off`, `on` (10 GiB), or a size with a unit: `500M`, `20G`, `1.5T`.
 * @returns the most bytes that the cache may hold; undefined: no cache
 * @throws ImportError ERR_OPTION_INVALID
 */
export function blobCacheBytes(
  given: string | boolean | undefined,
  env: Environment,
): number | undefined {
  const fromEnv = env[VARIABLE] ?? "";
  const value = String(given ?? (fromEnv === "" ? "off" : fromEnv)).toLowerCase();
  if (value === "false" || value === "off") return undefined;
  if (value === "true" || value === "on") return DEFAULT_BYTES;
  const [, digits = "", unit = ""] = SIZE.exec(value) ?? [];
  const bytes = Math.floor(Number(digits) * (UNITS[unit] ?? 0));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new ImportError(
    "ERR_OPTION_INVALID",
    `${given === undefined ? VARIABLE : "blobCache"} is "${printable(value)}", it must be off, on, or a size such as 500M or 20G`,
  );
}
