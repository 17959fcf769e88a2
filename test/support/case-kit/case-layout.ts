import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestText } from "../digest-text.ts";
import { tarArchive } from "./case-archive.ts";
import { rawBytes, type CaseContext } from "./case-bytes.ts";
import { bomb, compress } from "./case-compression.ts";
import {
  isObject,
  listAt,
  objectAt,
  stringifyJson,
  text,
  type Json,
  type JsonObject,
  type LayerCase,
} from "./case-json.ts";

const SUFFIX: ReadonlyMap<string, string> = new Map([
  ["none", ""],
  ["gzip", "+gzip"],
  ["zstd", "+zstd"],
]);

interface BuiltLayer {
  readonly descriptor: JsonObject;
  /** Undefined: the case leaves it out. */
  readonly diffId: Json | undefined;
}

/** Writes a case as an OCI image layout whose only image has the tag `case`. */
export function writeCaseLayout(layerCase: LayerCase, path: string, context: CaseContext): void {
  const { fields } = layerCase;
  const blobs = join(path, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (data: Buffer): { digest: string; size: number } => {
    const digest = digestText(data);
    writeFileSync(join(blobs, digest.slice(7)), data);
    return { digest, size: data.length };
  };
  const layers = listAt(fields, "layers")
    .filter(isObject)
    .map((layer) => buildLayer(layer, { put, blobs, context }));
  const config = put(configBytes(fields, layers, context));
  const manifest = manifestFields(fields, { config, layers });
  const bytes =
    fields["manifestBytes"] === undefined
      ? Buffer.from(stringifyJson(manifest))
      : rawBytes(fields["manifestBytes"], context);
  const descriptor = {
    mediaType: text(manifest["mediaType"] ?? "application/vnd.oci.image.manifest.v1+json"),
    ...put(bytes),
    platform: { architecture: "amd64", os: "linux" },
    annotations: { "org.opencontainers.image.ref.name": "case" },
    ...objectAt(fields, "manifestDescriptor"),
  };
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [descriptor],
  };
  writeFileSync(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(path, "index.json"), stringifyJson(index));
}

/** The diffId of each layer of a case, as its archive has it: for comparing with another builder. */
export function caseDiffIds(layerCase: LayerCase, context: CaseContext): readonly string[] {
  return caseLayers(layerCase, context).map(({ bytes }) => digestText(bytes));
}

/** A layer that the case kit neither compresses nor damages. */
export interface CaseLayer {
  /** An archive, or what the case has instead. */
  readonly bytes: Buffer;
  readonly diffId: string;
}

/** The layers of a case, bottom first; bombs, which are made compressed, left out. */
export function caseLayers(layerCase: LayerCase, context: CaseContext): readonly CaseLayer[] {
  return listAt(layerCase.fields, "layers")
    .filter(isObject)
    .filter((layer) => layer["bomb"] === undefined)
    .map((layer) => {
      const bytes = layerArchive(layer, context);
      return { bytes, diffId: text(layer["diffId"] ?? digestText(bytes)) };
    });
}

function layerArchive(layer: JsonObject, context: CaseContext): Buffer {
  return layer["blobBytes"] === undefined
    ? tarArchive(layer, context)
    : rawBytes(layer["blobBytes"], context);
}

function buildLayer(
  layer: JsonObject,
  tools: {
    readonly put: (data: Buffer) => { digest: string; size: number };
    readonly blobs: string;
    readonly context: CaseContext;
  },
): BuiltLayer {
  const { put, blobs, context } = tools;
  const spec = isObject(layer["bomb"]) ? layer["bomb"] : undefined;
  const how = text((spec ?? layer)["compression"] ?? "gzip");
  const archive = spec === undefined ? layerArchive(layer, context) : Buffer.alloc(0);
  const blob = damagedBlob(
    spec === undefined ? compress(archive, how) : bomb(spec, context),
    objectAt(layer, "blob"),
    context,
  );
  const stored = put(blob);
  replaceOnDisk(join(blobs, stored.digest.slice(7)), { layer, blob, context });
  const suffix = SUFFIX.get(how.split("-")[0] ?? "") ?? "";
  return {
    descriptor: {
      mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
      ...stored,
      ...objectAt(layer, "descriptor"),
    },
    diffId: layer["diffId"] === "omit" ? undefined : (layer["diffId"] ?? digestText(archive)),
  };
}

/** Bytes appended, cut off or flipped, as a case says. */
export function damagedBlob(blob: Buffer, damage: JsonObject, context: CaseContext): Buffer {
  let bytes = Buffer.from(blob);
  if (damage["append"] !== undefined) {
    bytes = Buffer.concat([bytes, rawBytes(damage["append"], context)]);
  }
  if (damage["truncate"] !== undefined) {
    bytes = bytes.subarray(0, bytes.length - Number(damage["truncate"]));
  }
  if (damage["flipAt"] !== undefined) {
    const flip = Number(damage["flipAt"]);
    const at = flip < 0 ? bytes.length + flip : flip;
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  }
  return bytes;
}

/** Other bytes under the blob's digest, or none. */
function replaceOnDisk(
  path: string,
  parts: { readonly layer: JsonObject; readonly blob: Buffer; readonly context: CaseContext },
): void {
  const { layer, blob, context } = parts;
  const change = layer["blobOnDisk"];
  if (change === "missing") rmSync(path);
  else if (isObject(change)) {
    const grown = Buffer.concat([blob, Buffer.alloc(Number(change["grow"] ?? 0))]);
    writeFileSync(path, change["bytes"] === undefined ? grown : rawBytes(change["bytes"], context));
  }
}

function configBytes(
  fields: JsonObject,
  layers: readonly BuiltLayer[],
  context: CaseContext,
): Buffer {
  if (fields["configBytes"] !== undefined) return rawBytes(fields["configBytes"], context);
  const diffIds = layers.flatMap(({ diffId }) => (diffId === undefined ? [] : [diffId]));
  const config = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [...diffIds, ...listAt(fields, "extraDiffIds")] },
    history: layers.map((_, index) => ({ created_by: `layer ${index}` })),
    ...objectAt(fields, "config"),
  };
  return Buffer.from(stringifyJson(config));
}

function manifestFields(
  fields: JsonObject,
  parts: { readonly config: JsonObject; readonly layers: readonly BuiltLayer[] },
): JsonObject {
  const manifest: Record<string, Json> = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      ...parts.config,
      ...objectAt(fields, "configDescriptor"),
    },
    layers: parts.layers.map(({ descriptor }) => descriptor),
    ...objectAt(fields, "manifest"),
  };
  for (const key of listAt(fields, "manifestOmit")) delete manifest[text(key)];
  return manifest;
}
