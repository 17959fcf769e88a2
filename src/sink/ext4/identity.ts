import { createHash } from "node:crypto";
import type { ImageToPlace } from "../sink.ts";
import type { Ext4Identity } from "./metadata-input.ts";

/** Any fixed name of our own: nothing else that hashes a digest gets the same UUID. */
const NAMESPACE = "rootlift ext4 image, version 1";

/**
 * UUID and hash seed out of what was imported, so that equal imports give equal images. The UUID is of version 8 (RFC 9562:
 * made by a rule of one's own).
 * @param epochSeconds SOURCE_DATE_EPOCH; undefined: when the image was made, as far as it says so and that is past, else 1970
 */
export function identityOf(
  { manifestDigest, platform, createdSeconds = 0 }: ImageToPlace,
  options: { readonly diskBytes: number; readonly epochSeconds: number | undefined },
): Ext4Identity {
  const { diskBytes, epochSeconds } = options;
  const hash = createHash("sha256")
    .update([NAMESPACE, manifestDigest, platform, String(diskBytes)].join("\n"))
    .digest();
  const uuid = hash.subarray(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  // A file system from the future is one that e2fsck complains about.
  const isPast = createdSeconds >= 0 && createdSeconds * 1000 <= Date.now();
  return {
    uuid: Uint8Array.from(uuid),
    hashSeed: Uint8Array.from(hash.subarray(16)),
    epochSeconds: epochSeconds ?? (isPast ? createdSeconds : 0),
    label: "",
  };
}
