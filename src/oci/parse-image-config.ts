import type { Limits } from "../limits.ts";
import type { ImageConfig } from "./image.ts";
import { requireDigest } from "./digest.ts";
import type { JsonObject } from "./json-object.ts";
import {
  documentTooLong,
  invalidDocument,
  optionalObject,
  optionalText,
  optionalTexts,
  parseJsonObject,
  textEntries,
} from "./json-object.ts";
import { parseRawPlatform } from "./parse-descriptor.ts";
import { normalizePlatform } from "./parse-platform.ts";

export interface ParseConfigOptions {
  /** Layers of the manifest: as many diffIds must be here, whatever `history` says (layer-cases rule 36). */
  readonly layers: number;
  /** `the config of ghcr.io/org/app:1.2` */
  readonly what: string;
  readonly limits: Limits;
}

/**
 * An image config (image-spec config.md, registry-cases MAN-12). Fields that Go writes as `null` or
 * leaves empty count as absent.
 * @throws ImportError ERR_MANIFEST_INVALID
 */
export function parseImageConfig(bytes: Uint8Array, options: ParseConfigOptions): ImageConfig {
  const { what, limits } = options;
  if (bytes.length > limits.configBytes) {
    throw documentTooLong(what, limits, { limit: "configBytes", value: bytes.length });
  }
  const document = parseJsonObject(bytes, what);
  const run = optionalObject(document, "config", what);
  const created = optionalText(document, "created", what);
  const user = optionalText(run, "User", what);
  const entrypoint = commandOf(run, "Entrypoint", what);
  const cmd = commandOf(run, "Cmd", what);
  const workingDir = optionalText(run, "WorkingDir", what);
  const stopSignal = optionalText(run, "StopSignal", what);
  return {
    platform: parseRawPlatform(document, what) ?? normalizePlatform({}),
    diffIds: parseDiffIds(document, options),
    ...(created === "" ? {} : { created }),
    ...(user === "" ? {} : { user }),
    env: optionalTexts(run, "Env", what),
    ...(entrypoint.length === 0 ? {} : { entrypoint }),
    ...(cmd.length === 0 ? {} : { cmd }),
    ...(workingDir === "" ? {} : { workingDir }),
    labels: textEntries(run["Labels"]),
    exposedPorts: Object.keys(optionalObject(run, "ExposedPorts", what)),
    volumes: Object.keys(optionalObject(run, "Volumes", what)),
    ...(stopSignal === "" ? {} : { stopSignal }),
  };
}

function parseDiffIds(
  document: JsonObject,
  { layers, what }: ParseConfigOptions,
): ImageConfig["diffIds"] {
  const rootfs = optionalObject(document, "rootfs", what);
  if (rootfs["type"] !== "layers") throw invalidDocument(what, 'has no rootfs of type "layers"');
  const diffIds = optionalTexts(rootfs, "diff_ids", what);
  if (diffIds.length !== layers) {
    throw invalidDocument(
      what,
      `has ${diffIds.length} diff_ids for the ${layers} layers of the manifest`,
    );
  }
  return diffIds.map((text, at) => requireDigest(text, `diff_id ${at + 1} in ${what}`));
}

/** A list, or a text as docker's own parser takes it; an empty one is no command. */
function commandOf(run: JsonObject, key: string, what: string): readonly string[] {
  return typeof run[key] === "string" ? [run[key]] : optionalTexts(run, key, what);
}
