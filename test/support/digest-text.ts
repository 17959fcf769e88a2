import { createHash } from "node:crypto";

/** `sha256:HEX` of these bytes. Not the function of src/, which tests compare with it. */
export function digestText(bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
