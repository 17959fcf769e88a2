import { stat } from "node:fs/promises";
import { ImportError, printable } from "../errors.ts";
import type { Digest } from "../oci/digest.ts";
import { parseDigest } from "../oci/digest.ts";

/** Which of the images in a layout or archive; `undefined`: the only one. A position counts from 0. */
export type LayoutSelector =
  | { readonly tag: string }
  | { readonly digest: Digest }
  | { readonly position: number }
  | undefined;

/** What the text before the first colon says of the place: a directory, or a file that is a tar archive. */
export type LocalScheme = "oci" | "oci-archive" | "docker-archive";

export interface LayoutReference {
  readonly path: string;
  readonly selector: LayoutSelector;
}

/** Linux PATH_MAX, a tag and a digest: each separator costs one look at the disk. */
const REFERENCE_LENGTH = 4096 + 512;
const POSITION = /^@(\d{1,9})$/;

const FORMS: Readonly<Record<LocalScheme, string>> = {
  oci: "oci:DIR, oci:DIR:TAG or oci:DIR@sha256:…",
  "oci-archive": "oci-archive:FILE, oci-archive:FILE:TAG or oci-archive:FILE@sha256:…",
  "docker-archive": "docker-archive:FILE, docker-archive:FILE:NAME:TAG or docker-archive:FILE:@N",
};

/**
 * `PATH`, `PATH:TAG`, `PATH@DIGEST` or `PATH:@POSITION` (as skopeo has it), what follows `oci:` or the like. Paths may hold
 * `:` and `@`, and tags may be whole references (`docker.io/library/alpine:3`), so the disk decides: the whole text if it is
 * a directory (for an archive: anything else), else the longest part before a `:` or `@` that is one. When none is, it
 * counts as `PATH:TAG` split at the last colon.
 * @throws ImportError ERR_REFERENCE_INVALID, ERR_IMAGE_NOT_FOUND (no such directory or file)
 */
export async function parseLayoutReference(
  text: string,
  scheme: LocalScheme = "oci",
): Promise<LayoutReference> {
  if (text === "" || text.includes("\0") || text.length > REFERENCE_LENGTH) {
    const thing = scheme === "oci" ? "directory" : "file";
    throw invalid(text, scheme, `it names no ${thing}`);
  }
  if (await isPlace(text, scheme)) return { path: text, selector: undefined };
  const separators = [...text.matchAll(/[:@]/g)].map(({ index }) => index).toReversed();
  for (const at of separators) {
    const path = text.slice(0, at);
    if (path !== "" && (await isPlace(path, scheme))) {
      return { path, selector: parseSelector(text, at, scheme) };
    }
  }
  throw await missing(text, scheme);
}

/** What a selector was written as, behind the path. */
export function selectorText(selector: LayoutSelector): string {
  if (selector === undefined) return "";
  if ("tag" in selector) return `:${selector.tag}`;
  return "position" in selector ? `:@${selector.position}` : `@${selector.digest.text}`;
}

/** `:TAG`, `@DIGEST` or `:TAG@DIGEST`; of the last the digest decides, as in any reference (REF-5). */
function parseSelector(text: string, at: number, scheme: LocalScheme): LayoutSelector {
  const rest = text.slice(at + 1);
  const position = text[at] === ":" ? POSITION.exec(rest)?.[1] : undefined;
  if (position !== undefined) return { position: Number(position) };
  const digestAt = text[at] === "@" ? 0 : rest.search(/@(?:sha\d+):[^@]*$/) + 1;
  if (text[at] === "@" || digestAt > 0) {
    const digest = parseDigest(rest.slice(digestAt));
    if (digest !== undefined) return { digest };
    throw invalid(text, scheme, `"${printable(rest.slice(digestAt))}" is not a digest`);
  }
  if (rest === "") throw invalid(text, scheme, "the tag is empty");
  return { tag: rest };
}

async function isPlace(path: string, scheme: LocalScheme): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory() === (scheme === "oci"),
    () => false,
  );
}

function invalid(text: string, scheme: LocalScheme, why: string): ImportError {
  return new ImportError(
    "ERR_REFERENCE_INVALID",
    `invalid source "${scheme}:${printable(text)}": ${why}`,
    { hint: `Write ${FORMS[scheme]}.` },
  );
}

async function missing(text: string, scheme: LocalScheme): Promise<ImportError> {
  const [, path = text] =
    /^(.+?)(?:@sha\d+:[^@/]*|:@\d+|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$/.exec(text) ?? [];
  const thing = scheme === "oci" ? "directory" : "file";
  return new ImportError("ERR_IMAGE_NOT_FOUND", `there is no ${thing} "${printable(path)}"`, {
    hint: await hintOfMissing(text, scheme),
    details: { path: printable(path) },
  });
}

async function hintOfMissing(text: string, scheme: LocalScheme): Promise<string> {
  if (scheme === "oci") {
    return "oci:DIR:TAG reads an OCI layout from the disk; for an image called oci write docker.io/library/oci:TAG.";
  }
  if (text === "-") {
    return "An archive is read at many places at once, which standard input cannot be: write it to a file first.";
  }
  if (await isPlace(text, "oci")) {
    return "It is a directory: for an OCI layout in a directory write oci:DIR[:TAG].";
  }
  return `Check the path. The forms are ${FORMS[scheme]}.`;
}
