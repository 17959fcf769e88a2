import { imageIdentity } from "../image-identity.ts";
import type { ImageToPlace } from "../sink.ts";
import type { Ext4Identity } from "./metadata-input.ts";

const NAMESPACE = "rootlift ext4 image, version 1";

/**
 * UUID and hash seed of an import.
 * @param epochSeconds SOURCE_DATE_EPOCH
 */
export function identityOf(
  image: ImageToPlace,
  options: { readonly diskBytes: number; readonly epochSeconds: number | undefined },
): Ext4Identity {
  const { diskBytes, epochSeconds } = options;
  const { seed, ...identity } = imageIdentity(image, {
    namespace: NAMESPACE,
    parameters: [String(diskBytes)],
    epochSeconds,
  });
  return { ...identity, hashSeed: seed, label: "" };
}
