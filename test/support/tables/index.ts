import type { JsonObject } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/** Kind of table → its runner, loaded only when such a file is run. */
export const TABLE_KINDS: Readonly<Record<string, () => Promise<TableRunner>>> = {
  "blob-responses": async () => (await import("./blob-responses.ts")).tableRunner,
  "docker-config": async () => (await import("./docker-config.ts")).tableRunner,
  "image-names": async () => (await import("./image-names.ts")).tableRunner,
  platforms: async () => (await import("./platforms.ts")).tableRunner,
  proxies: async () => (await import("./proxies.ts")).tableRunner,
  references: async () => (await import("./references.ts")).tableRunner,
  "registry-errors": async () => (await import("./registry-errors.ts")).tableRunner,
  "www-authenticate": async () => (await import("./www-authenticate.ts")).tableRunner,
};

/** Fields that the rows of one kind have and those of no other. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "blob-responses": ["answers"],
  "docker-config": ["registry", "files"],
  "image-names": ["reference"],
  platforms: ["wanted", "manifests"],
  proxies: ["url", "env"],
  references: ["input"],
  "registry-errors": ["request", "response"],
  "www-authenticate": ["headers"],
};

/** The kind of table that a row is of, by what it holds. */
export function kindOfRow(row: JsonObject): string | undefined {
  if ("challenge" in row) return "www-authenticate";
  return Object.keys(FIELDS).find((kind) => FIELDS[kind]?.every((field) => field in row));
}
