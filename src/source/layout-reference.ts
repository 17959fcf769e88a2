import { stat } from "node:fs/promises";
import { ImportError, printable } from "../errors.ts";
import type { Digest } from "../oci/digest.ts";
import { parseDigest } from "../oci/digest.ts";

/** Which of the images in a layout; `undefined`: the only one. */
export type LayoutSelector = { readonly tag: string } | { readonly digest: Digest } | undefined;

export interface LayoutReference {
  readonly path: string;
  readonly selector: LayoutSelector;
}

/** Linux PATH_MAX, a tag and a digest: each separator costs one look at the disk. */
const REFERENCE_LENGTH = 4096 + 512;

/**
 * `DIR`, `DIR:TAG` or `DIR@DIGEST`, what follows `oci:`. Directories may hold `:` and `@` in their names, and tags of
 * layouts may be whole references (`docker.io/library/alpine:3`), so the disk decides: the whole text if it is a
 * directory, else the longest part before a `:` or `@` that is one. When none is, it counts as `DIR:TAG` split at the
 * last colon.
 * @throws ImportError ERR_REFERENCE_INVALID, ERR_IMAGE_NOT_FOUND (no such directory)
 */
export async function parseLayoutReference(text: string): Promise<LayoutReference> {
  if (text === "" || text.includes("\0") || text.length > REFERENCE_LENGTH) {
    throw invalid(text, "it names no directory");
  }
  if (await isDirectory(text)) return { path: text, selector: undefined };
  const separators = [...text.matchAll(/[:@]/g)].map(({ index }) => index).toReversed();
  for (const at of separators) {
    const path = text.slice(0, at);
    if (path !== "" && (await isDirectory(path))) {
      return { path, selector: parseSelector(text, at) };
    }
  }
  throw missing(text);
}

/** `:TAG`, `@DIGEST` or `:TAG@DIGEST`; of the last the digest decides, as in any reference (REF-5). */
function parseSelector(text: string, at: number): LayoutSelector {
  const rest = text.slice(at + 1);
  const digestAt = text[at] === "@" ? 0 : rest.search(/@(?:sha\d+):[^@]*$/) + 1;
  if (text[at] === "@" || digestAt > 0) {
    const digest = parseDigest(rest.slice(digestAt));
    if (digest !== undefined) return { digest };
    throw invalid(text, `"${printable(rest.slice(digestAt))}" is not a digest`);
  }
  if (rest === "") throw invalid(text, "the tag is empty");
  return { tag: rest };
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

function invalid(text: string, why: string): ImportError {
  return new ImportError(
    "ERR_REFERENCE_INVALID",
    `invalid source "oci:${printable(text)}": ${why}`,
    {
      hint: "Write oci:DIR, oci:DIR:TAG or oci:DIR@sha256:….",
    },
  );
}

function missing(text: string): ImportError {
  const [, path = text] =
    /^(.+?)(?:@sha\d+:[^@/]*|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$/.exec(text) ?? [];
  return new ImportError("ERR_IMAGE_NOT_FOUND", `there is no directory "${printable(path)}"`, {
    hint: "oci:DIR:TAG reads an OCI layout from the disk; for an image called oci write docker.io/library/oci:TAG.",
    details: { path: printable(path) },
  });
}
