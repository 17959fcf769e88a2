import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseImageChecksums, type ImageChecksums } from "./image-checksums.ts";
import { errnoOf, fileError } from "./store-error.ts";

/**
 * What the import recorded of a snapshot's bytes; "missing" or "damaged" when that is not there any more.
 * @throws ImportError ERR_STORE_IO
 */
export function readImageChecksums(
  homePath: string,
  snapshotId: string,
): ImageChecksums | "missing" | "damaged" {
  const path = join(homePath, "snapshots", snapshotId, "checksums");
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "missing";
    throw fileError(error, "read", path);
  }
  return parseImageChecksums(bytes) ?? "damaged";
}
