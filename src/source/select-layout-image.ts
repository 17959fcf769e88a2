import { ImportError, printable } from "../errors.ts";
import { isAttestation } from "../oci/choose-platform.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { LayoutSelector } from "./layout-reference.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
/** containerd's exports keep the whole reference here, and only the tag in the other. */
const IMAGE_NAME = "io.containerd.image.name";
const TAGS_SHOWN = 20;

/**
 * The entries of `index.json` that a selector means: one, or several that are the platforms of one image.
 * @param reference for messages: `oci:DIR:TAG`
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_REFERENCE_INVALID (several images, and nothing says which)
 */
export function selectLayoutImage(
  entries: readonly Descriptor[],
  selector: LayoutSelector,
  reference: string,
): readonly Descriptor[] {
  const matching = matchingEntries(entries, selector);
  const images = distinct(matching.filter((entry) => !isAttestation(entry)));
  // An attestation that was asked for by name gets the error that says what it is.
  const chosen = images.length === 0 && selector !== undefined ? distinct(matching) : images;
  if (chosen.length === 0) throw notFound(entries, selector, reference);
  if (chosen.length > 1 && !areOneImage(chosen)) {
    throw new ImportError(
      "ERR_REFERENCE_INVALID",
      `${reference} holds ${chosen.length} images: ${tagList(entries)}`,
      {
        hint: `Say which: ${formOf(reference)}:TAG or ${formOf(reference)}@sha256:….`,
      },
    );
  }
  return chosen;
}

function matchingEntries(
  entries: readonly Descriptor[],
  selector: LayoutSelector,
): readonly Descriptor[] {
  if (selector === undefined) return entries;
  if ("digest" in selector) {
    return entries.filter(({ digest }) => digest.text === selector.digest.text);
  }
  if ("position" in selector) return entries.slice(selector.position, selector.position + 1);
  const { tag } = selector;
  const named = entries.filter(({ annotations }) => annotations?.[REF_NAME] === tag);
  if (named.length > 0) return named;
  return entries.filter(({ annotations }) => {
    const name = annotations?.[IMAGE_NAME];
    return name === tag || (name?.endsWith(`:${tag}`) ?? false);
  });
}

/** Each with a platform of its own, and all under the same tag or under none. */
function areOneImage(entries: readonly Descriptor[]): boolean {
  const tags = new Set(entries.map(({ annotations }) => annotations?.[REF_NAME]));
  return tags.size === 1 && entries.every(({ platform }) => platform !== undefined);
}

/** Two tags may name one manifest: the first entry of each digest. */
function distinct(entries: readonly Descriptor[]): readonly Descriptor[] {
  const seen = new Set<string>();
  return entries.filter(({ digest }) => !seen.has(digest.text) && seen.add(digest.text));
}

function notFound(
  entries: readonly Descriptor[],
  selector: LayoutSelector,
  reference: string,
): ImportError {
  if (selector === undefined) {
    return new ImportError(
      "ERR_IMAGE_NOT_FOUND",
      `${reference} holds no image: its index is empty`,
      {
        hint: `Copy an image into it, for instance with skopeo copy … ${formOf(reference)}:TAG.`,
      },
    );
  }
  return new ImportError(
    "ERR_IMAGE_NOT_FOUND",
    `${reference}: the layout has no ${wantedText(selector)}; it has ${tagList(entries)}`,
    { hint: `Choose one of them: ${formOf(reference)}:TAG.` },
  );
}

function wantedText(selector: NonNullable<LayoutSelector>): string {
  if ("tag" in selector) return `tag "${printable(selector.tag)}"`;
  return "position" in selector ? `image @${selector.position}` : selector.digest.text;
}

/** `oci:DIR`, `oci-archive:FILE` */
function formOf(reference: string): string {
  return reference.startsWith("oci:") ? "oci:DIR" : "oci-archive:FILE";
}

function tagList(entries: readonly Descriptor[]): string {
  return listTags(
    entries.map(({ annotations }) => annotations?.[REF_NAME] ?? annotations?.[IMAGE_NAME]),
  );
}

/** For messages: the tags that images have, where they have one. */
export function listTags(tags: readonly (string | undefined)[]): string {
  const names = [...new Set(tags.filter((tag) => tag !== undefined))].toSorted();
  if (names.length === 0) return `${tags.length} without a tag`;
  const shown = names
    .slice(0, TAGS_SHOWN)
    .map((name) => printable(name, 100))
    .join(", ");
  return names.length > TAGS_SHOWN ? `${shown} and ${names.length - TAGS_SHOWN} more` : shown;
}
