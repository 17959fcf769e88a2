import type { TableRunner } from "./table-runner.ts";

/** Kind of table (the file's `kind`, or its name) → its runner, loaded only when such a file is run. */
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
