import { ImportError } from "../../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/limits.ts";
import type { Digest } from "../../../src/oci/digest.ts";
import { DOCKER_INDEX, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/media-types.ts";
import { parsePlatform } from "../../../src/oci/parse-platform.ts";
import { digestOf } from "../../../src/oci/verify-bytes.ts";
import { resolveImage } from "../../../src/source/resolve-image.ts";
import type { JsonObject } from "./expect-row.ts";
import { compareError, expectedErrorOf, isObject, textOf } from "./expect-row.ts";
import type { TableRunner } from "./table-runner.ts";

/**
 * `{ name, wanted, manifests, configPlatforms?, expect: { index } | error }`. The digests of the rows are of nothing, so
 * for every entry a real manifest and config are made, and the whole resolution runs over them.
 */
export const tableRunner: TableRunner = { run: runRow };

async function runRow(row: JsonObject): Promise<string | undefined> {
  const error = expectedErrorOf(row);
  const wanted = textOf(row, "wanted");
  let taken: number | undefined;
  try {
    taken = await chosenEntry(row, wanted);
  } catch (thrown) {
    if (error !== undefined) return compareError(thrown, error);
    throw thrown;
  }
  if (error !== undefined) return `expected ${error.code}, got entry ${taken}`;
  const expected = isObject(row["expect"]) ? row["expect"]["index"] : undefined;
  return taken === expected ? undefined : `expected entry ${String(expected)}, got ${taken}`;
}

async function chosenEntry(row: JsonObject, wanted: string): Promise<number | undefined> {
  const platform = parsePlatform(wanted);
  const blobs = new Map<string, Buffer>();
  const origins = new Map<string, number>();
  const put = (value: unknown): { digest: string; size: number } => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    blobs.set(digest.text, bytes);
    return { digest: digest.text, size: bytes.length };
  };
  const manifests = Array.isArray(row["manifests"]) ? row["manifests"] : [];
  const entries = manifests.map((entry: unknown, at) => {
    if (!isObject(entry)) throw new Error(`manifest ${at} is no object`);
    const made = makeEntry(entry, configPlatform(row, entry, at), { at, put });
    origins.set(made.manifestDigest, at);
    return made.entry;
  });
  const get = async ({ digest }: { readonly digest: Digest }): Promise<Buffer> => {
    const bytes = blobs.get(digest.text);
    if (bytes === undefined) throw new ImportError("ERR_IMAGE_NOT_FOUND", digest.text);
    return bytes;
  };
  const image = await resolveImage({
    reference: "table.example/row:1",
    root: { bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries })) },
    wanted: { platform, explicit: true },
    limits: DEFAULT_LIMITS,
    fetchManifest: async (descriptor) => ({ bytes: await get(descriptor) }),
    fetchConfig: get,
    signal: new AbortController().signal,
  });
  return origins.get(image.manifestDigest.text);
}

interface Maker {
  readonly at: number;
  readonly put: (value: unknown) => { digest: string; size: number };
}

/** The row's entry with the digest and size of a manifest that exists; of an index around one if it is an index. */
function makeEntry(
  entry: JsonObject,
  platform: JsonObject,
  { at, put }: Maker,
): { readonly entry: JsonObject; readonly manifestDigest: string } {
  const config = {
    mediaType: OCI_CONFIG,
    ...put({ ...platform, rootfs: { type: "layers", diff_ids: [] } }),
  };
  const manifest = put({ schemaVersion: 2, config, layers: [], annotations: { row: String(at) } });
  const isIndex = entry["mediaType"] === OCI_INDEX || entry["mediaType"] === DOCKER_INDEX;
  const inner = { ...entry, ...manifest, mediaType: OCI_MANIFEST };
  const target = isIndex ? put({ schemaVersion: 2, manifests: [inner] }) : manifest;
  return { entry: { ...entry, ...target }, manifestDigest: manifest.digest };
}

/** `configPlatforms` has it by the entry's position; else the config says what the entry says. */
function configPlatform(row: JsonObject, entry: JsonObject, at: number): JsonObject {
  const all = isObject(row["configPlatforms"]) ? row["configPlatforms"] : {};
  const text = all[String(at)];
  if (typeof text === "string") {
    const [os, architecture, variant] = text.split("/");
    return { os, architecture, variant };
  }
  if (isObject(text)) return text;
  return isObject(entry["platform"]) ? entry["platform"] : { os: "linux", architecture: "amd64" };
}
