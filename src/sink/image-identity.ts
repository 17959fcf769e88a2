import { createHash } from "node:crypto";
import type { ImageToPlace } from "./sink.ts";

/** What makes one file system different from another with the same tree. */
export interface ImageIdentity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** 16 bytes more out of the same hash. */
  readonly seed: Uint8Array;
  /** The time of everything that no layer names. Not ahead of the clock. */
  readonly epochSeconds: number;
}

export interface IdentityOptions {
  /** Any fixed name of our own: nothing else that hashes a digest gets the same UUID. */
  readonly namespace: string;
  /** What else the bytes of an image depend on. */
  readonly parameters: readonly string[];
  /** SOURCE_DATE_EPOCH; undefined: when the image was made, as far as it says so and that is past, else 1970. */
  readonly epochSeconds: number | undefined;
}

/**
 * The identity of a disk image out of what was imported, so that equal imports give equal images. The UUID is of version 8
 * (RFC 9562: made by a rule of one's own).
 */
export function imageIdentity(
  { manifestDigest, platform, createdSeconds = 0 }: ImageToPlace,
  { namespace, parameters, epochSeconds }: IdentityOptions,
): ImageIdentity {
  const hash = createHash("sha256")
    .update([namespace, manifestDigest, platform, ...parameters].join("\n"))
    .digest();
  const uuid = hash.subarray(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  // A file system from the future is one that e2fsck complains about.
  const isPast = createdSeconds >= 0 && createdSeconds * 1000 <= Date.now();
  return {
    uuid: Uint8Array.from(uuid),
    seed: Uint8Array.from(hash.subarray(16)),
    epochSeconds: epochSeconds ?? (isPast ? createdSeconds : 0),
  };
}
