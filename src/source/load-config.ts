import { throwIfCancelled } from "../errors.ts";
import { documentTooLong } from "../oci/json-object.ts";
import { parseImageConfig } from "../oci/parse-image-config.ts";
import type { ImageManifest } from "../oci/parse-manifest.ts";
import { verifyBytes } from "../oci/verify-bytes.ts";
import type { LoadedConfig, ResolveImageInput } from "./resolution.ts";

/** Fetches and checks the config of a manifest. */
export async function loadConfig(
  input: ResolveImageInput,
  manifest: ImageManifest,
): Promise<LoadedConfig> {
  const { limits, reference, signal } = input;
  const what = `the config of ${reference}`;
  const { config: descriptor } = manifest;
  if (descriptor.sizeBytes > limits.configBytes) {
    const value = descriptor.sizeBytes;
    throw documentTooLong(what, limits, { limit: "configBytes", value });
  }
  throwIfCancelled(signal);
  const bytes = descriptor.data ?? (await input.fetchConfig(descriptor, signal));
  verifyBytes(bytes, descriptor, what);
  const config = parseImageConfig(bytes, { layers: manifest.layers.length, what, limits });
  return { bytes, config };
}
