import { DEFAULT_LIMITS, type Limits } from "../../../src/limits.ts";
import { choosePlatform } from "../../../src/oci/choose-platform.ts";
import { parseImageConfig } from "../../../src/oci/parse-image-config.ts";
import { checkLayoutMarker } from "../../../src/oci/parse-layout-marker.ts";
import { parseManifest } from "../../../src/oci/parse-manifest.ts";
import {
  isList,
  isObject,
  listAt,
  type Json,
  type JsonObject,
} from "../../support/case-kit/case-json.ts";
import { rawBytes } from "../../support/case-kit/case-bytes.ts";
import { demand, type FuzzTarget, type OpenTarget } from "../fuzz-target.ts";
import { configDocuments, indexDocuments, manifestDocuments } from "../json/image-documents.ts";
import { IMAGE_WORDS } from "../json/image-words.ts";
import { keysGivenTwice } from "../json/keys-given-twice.ts";
import { mutateJson } from "../mutate-json.ts";
import { caseFields } from "../tar/archive-seeds.ts";

const LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  layers: 64,
  manifestBytes: 150_000,
  configBytes: 150_000,
};
const TYPES = [
  "",
  "application/json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
  "application/vnd.docker.distribution.manifest.v2+json",
  "text/html",
];
const DECIDING = ["mediaType", "manifests", "layers", "config", "fsLayers"];
const WANTED = { os: "linux", architecture: "arm64", variant: "v8" };

export const manifestTarget: FuzzTarget = {
  name: "manifest",
  weight: 2,
  open: () =>
    openDocuments([...manifestDocuments(), ...givenDocuments("manifestBytes")], runManifest),
};

export const indexTarget: FuzzTarget = {
  name: "index",
  weight: 2,
  open: () => openDocuments(indexDocuments(), runManifest),
};

export const configTarget: FuzzTarget = {
  name: "config",
  weight: 2,
  open: () => openDocuments([...configDocuments(), ...givenDocuments("configBytes")], runConfig),
};

const mutateDocument: OpenTarget["mutate"] = (input, random, donor) =>
  mutateJson(input, random, { ...IMAGE_WORDS, donor });

function openDocuments(seeds: readonly Uint8Array[], run: OpenTarget["run"]): OpenTarget {
  return { seeds, mutate: mutateDocument, run };
}

function givenDocuments(field: string): readonly Uint8Array[] {
  return caseFields().flatMap((fields) => {
    const value = fields[field];
    return value === undefined ? [] : [rawBytes(value, { canaryPath: "/canary" })];
  });
}

/** Every way to announce the document: the kind that comes out is that of the document, or it is refused. */
function runManifest(input: Uint8Array): void {
  const mediaType = TYPES[input.length % TYPES.length];
  const parsed = parseManifest(input, { mediaType, what: "the manifest of fuzz", limits: LIMITS });
  demandUnambiguous(input);
  const document = documentOf(input);
  demandOneSpelling(document, DECIDING);
  const descriptors = [...listAt(document, "layers"), ...listAt(document, "manifests")];
  for (const descriptor of [document["config"], ...descriptors]) {
    demandOneSpelling(descriptor, ["mediaType", "digest", "size", "data", "urls", "platform"]);
    const platform = isObject(descriptor) ? descriptor["platform"] : undefined;
    demandOneSpelling(platform, ["os", "architecture", "variant", "os.version"]);
  }
  if (parsed.kind === "index") {
    demand(listAt(document, "manifests").length === parsed.entries.length, "no entry is lost");
    const { fitting, unmarked } = choosePlatform(parsed.entries, WANTED);
    demand(fitting.length + unmarked.length <= parsed.entries.length, "a choice is of the entries");
    for (const { digest } of parsed.entries) demandDigest(digest.text);
    return;
  }
  demand(document["manifests"] === undefined, "an image lists no manifests");
  demand(listAt(document, "layers").length === parsed.layers.length, "no layer is lost");
  demand(parsed.layers.length <= LIMITS.layers, "the limit of layers holds");
  for (const { digest, sizeBytes } of [parsed.config, ...parsed.layers]) {
    demandDigest(digest.text);
    demand(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, "a size is a size");
  }
}

function runConfig(input: Uint8Array): void {
  if (input.length < 100) checkMarker(input);
  const layers = layersOf(input);
  const config = parseImageConfig(input, { layers, what: "the config of fuzz", limits: LIMITS });
  demand(config.diffIds.length === layers, "a diff_id a layer");
  for (const { text } of config.diffIds) demandDigest(text);
  const strings = [...config.env, ...(config.entrypoint ?? []), ...config.volumes];
  demand(
    strings.every((text) => typeof text === "string"),
    "lists of texts are that",
  );
}

function checkMarker(input: Uint8Array): void {
  try {
    checkLayoutMarker(input, "oci-layout");
  } catch (error) {
    // What it refuses is no refusal of the config.
    if (!(error instanceof Error) || !("code" in error)) throw error;
  }
}

/** As many as the config has: else nothing behind the count would be reached. */
function layersOf(input: Uint8Array): number {
  try {
    const { rootfs } = documentOf(input);
    const ids = isObject(rootfs) ? rootfs["diff_ids"] : undefined;
    return isList(ids) ? ids.length : 0;
  } catch {
    return 0;
  }
}

function documentOf(input: Uint8Array): JsonObject {
  const document: unknown = JSON.parse(Buffer.from(input).toString("utf8"));
  return isJsonObject(document) ? document : {};
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** CVE-2021-41190: no document that was accepted may be another one to another parser. */
function demandUnambiguous(input: Uint8Array): void {
  const twice = keysGivenTwice(Buffer.from(input).toString("utf8"));
  const deciding = DECIDING.filter((key) => twice.has(key.toLowerCase()));
  demand(deciding.length === 0, `a document with ${deciding.join()} twice is refused`);
}

/** Go takes a key in another case for the same one: nothing that it reads may be passed over here. */
function demandOneSpelling(value: Json | undefined, keys: readonly string[]): void {
  if (!isObject(value)) return;
  for (const key of Object.keys(value)) {
    const folded = key.replaceAll("\u017f", "s").toLowerCase();
    const meant = keys.find((one) => one.toLowerCase() === folded);
    demand(
      meant === undefined || meant === key,
      `a document with "${key}" for "${meant}" is refused`,
    );
  }
}

function demandDigest(text: string): void {
  const isDigest = /^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/.test(text);
  demand(isDigest, "a digest has its grammar");
}
