import { printable } from "../errors.ts";
import { invalidDocument } from "./json-object.ts";

export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = {
  sha256: 64,
  sha384: 96,
  sha512: 128,
};
const DIGEST = /^(sha256|sha384|sha512):([0-9a-f]+)$/;

/** `algorithm:hex`, checked against its grammar (image-spec descriptor.md, "Digests"); safe to use as a file name part. */
export interface Digest {
  readonly text: string;
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** @returns `undefined` when the text is no digest of a supported algorithm. */
export function parseDigest(text: string): Digest | undefined {
  const match = DIGEST.exec(text);
  if (match === null) return undefined;
  const [, name, hex = ""] = match;
  const algorithm = name === "sha256" || name === "sha384" ? name : "sha512";
  return HEX_LENGTH[algorithm] === hex.length ? { text, algorithm, hex } : undefined;
}

/** @throws ImportError ERR_MANIFEST_INVALID; `what` says where the text stands. */
export function requireDigest(text: string, what: string): Digest {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  // Attack: `sha256:../../x` as a digest would become a file name of a layout.
  throw invalidDocument(what, `is not a valid digest: "${printable(text, 150)}"`);
}
