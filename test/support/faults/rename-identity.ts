import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityOf } from "../../../src/store/output-place.ts";

/** The record of an import with an output names the inode that is made visible: a copy has another one. */
export function renameIdentity(ingestPath: string, publishedPath: string): void {
  if (!existsSync(ingestPath)) return;
  for (const id of readdirSync(ingestPath)) {
    const path = join(ingestPath, id, "ingest.json");
    if (!existsSync(path)) continue;
    const identity = JSON.stringify(identityOf(publishedPath));
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace(/("published": )\{[^}]*\}/, `$1${identity}`));
  }
}
