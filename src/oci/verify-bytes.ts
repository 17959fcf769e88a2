import { createHash } from "node:crypto";
import { ImportError } from "../errors.ts";
import type { Digest, DigestAlgorithm } from "./digest.ts";

/** The digest of these bytes. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  const hex = createHash(algorithm).update(bytes).digest("hex");
  return { text: `${algorithm}:${hex}`, algorithm, hex };
}

/**
 * @param what how the message names the bytes: `manifest of ghcr.io/org/app:1.2`
 * @throws ImportError ERR_SIZE_MISMATCH (checked first: it says more), ERR_DIGEST_MISMATCH
 */
export function verifyBytes(
  bytes: Uint8Array,
  expected: { readonly digest: Digest; readonly sizeBytes: number },
  what: string,
): void {
  if (bytes.length !== expected.sizeBytes) {
    throw new ImportError(
      "ERR_SIZE_MISMATCH",
      `${what} has ${bytes.length} bytes, its descriptor says ${expected.sizeBytes} (${expected.digest.text})`,
      {
        hint: "Import again; if it repeats, the image was pushed broken or something in between changes it.",
        details: {
          digest: expected.digest.text,
          expectedBytes: expected.sizeBytes,
          actualBytes: bytes.length,
        },
      },
    );
  }
  verifyDigest(bytes, expected.digest, what);
}

/** Like `verifyBytes` where no size is known. @throws ImportError ERR_DIGEST_MISMATCH */
export function verifyDigest(bytes: Uint8Array, expected: Digest, what: string): void {
  const actual = digestOf(bytes, expected.algorithm);
  if (actual.hex === expected.hex) return;
  throw new ImportError(
    "ERR_DIGEST_MISMATCH",
    `${what} does not match its digest: expected ${expected.text}, got ${actual.text}`,
    {
      hint: "Import again; if it repeats, the registry or a proxy in between serves damaged data.",
      details: { expected: expected.text, actual: actual.text },
    },
  );
}
