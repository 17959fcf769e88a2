/** Several imports at once in one process, through the library: `node import-process.ts CLAIM…`, a claim as JSON. */
import { importSandboxImage, ImportError } from "../../../src/index.ts";
import type { ImageFormat } from "../../../src/index.ts";
import { isObject } from "../../../src/oci/json-object.ts";
import { DISK_MB } from "./crash-images.ts";
import { FORMATS } from "./crash-store.ts";

async function importClaim(text: string): Promise<string> {
  const claim: unknown = JSON.parse(text);
  if (!isObject(claim)) throw new Error(`no claim: ${text}`);
  try {
    await importSandboxImage(String(claim["reference"]), {
      registeredName: String(claim["name"]),
      format: formatOf(claim["format"]),
      blobCache: claim["cached"] === true,
      diskMb: Number(DISK_MB),
      cpus: 1,
    });
    return "won";
  } catch (error) {
    return error instanceof ImportError ? `${error.code}: ${error.message}` : String(error);
  }
}

function formatOf(value: unknown): ImageFormat {
  return FORMATS.find((format) => format === value) ?? "ext4";
}

const outcomes = await Promise.all(process.argv.slice(2).map(importClaim));
process.stdout.write(JSON.stringify(outcomes));
