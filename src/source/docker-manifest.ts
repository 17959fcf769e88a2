import { ImportError, printable } from "../errors.ts";
import {
  documentTooLong,
  invalidDocument,
  isObject,
  keySpellings,
  optionalText,
  optionalTexts,
  refuseRespelled,
} from "../oci/json-object.ts";
import { INDEX_ENTRIES } from "../oci/parse-manifest.ts";
import { parseReference } from "../oci/parse-reference.ts";
import type { Limits } from "../limits.ts";
import { limitDetails, raiseLimit } from "../limits.ts";
import type { LayoutSelector } from "./layout-reference.ts";
import { memberNameOf } from "./archive-names.ts";
import { listTags } from "./select-layout-image.ts";

/** One image of a `docker save` archive. */
export interface DockerImage {
  /** Names of members of the archive. */
  readonly config: string;
  /** Bottom first. */
  readonly layers: readonly string[];
  readonly tags: readonly string[];
}

const READ_KEYS = keySpellings(["Config", "RepoTags", "Layers"]);

/**
 * `manifest.json` of an archive that docker wrote (moby image/tarexport): a list of `{"Config", "RepoTags", "Layers"}`.
 * @throws ImportError ERR_MANIFEST_INVALID, ERR_LIMIT_EXCEEDED (layers)
 */
export function parseDockerManifest(
  bytes: Uint8Array,
  { what, limits }: { readonly what: string; readonly limits: Limits },
): readonly DockerImage[] {
  if (bytes.length > limits.manifestBytes) {
    throw documentTooLong(what, limits, { limit: "manifestBytes", value: bytes.length });
  }
  const items = parseList(bytes, what);
  if (items.length > INDEX_ENTRIES) {
    throw invalidDocument(what, `has more than ${INDEX_ENTRIES} images`);
  }
  return items.map((item, at) => parseImage(item, `image ${at + 1} in ${what}`, limits));
}

function parseList(bytes: Uint8Array, what: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch {
    // Without the engine's message, which quotes the bytes.
    throw invalidDocument(what, "is not JSON");
  }
  if (Array.isArray(value)) return value;
  throw invalidDocument(what, "is no list of images");
}

function parseImage(item: unknown, what: string, limits: Limits): DockerImage {
  if (!isObject(item)) throw invalidDocument(what, "is no JSON object");
  refuseRespelled(item, READ_KEYS, what);
  const layers = optionalTexts(item, "Layers", what);
  if (layers.length > limits.layers) {
    const problem = `${what} has ${layers.length} layers, the limit is ${limits.layers}`;
    throw new ImportError("ERR_LIMIT_EXCEEDED", problem, {
      hint: raiseLimit("layers"),
      details: limitDetails("layers", layers.length, limits),
    });
  }
  return {
    config: requireName(optionalText(item, "Config", what), what),
    layers: layers.map((name) => requireName(name, what)),
    tags: optionalTexts(item, "RepoTags", what),
  };
}

function requireName(text: string, what: string): string {
  const name = memberNameOf(text);
  if (name !== undefined && name !== "") return name;
  throw invalidDocument(what, `names "${printable(text)}", which is no file of the archive`);
}

/**
 * The image that a selector means: by one of its tags, in docker's spelling or in full, or by its place in the list.
 * @param reference for messages: `docker-archive:FILE:TAG`
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_REFERENCE_INVALID (several, and nothing says which; a digest)
 */
export function selectDockerImage(
  images: readonly DockerImage[],
  selector: LayoutSelector,
  reference: string,
): DockerImage {
  const [image, ...more] = matching(images, selector, reference);
  if (image === undefined) throw notFound(images, selector, reference);
  if (more.length === 0) return image;
  throw new ImportError(
    "ERR_REFERENCE_INVALID",
    `${reference} holds ${more.length + 1} images: ${listOf(images)}`,
    { hint: "Say which: docker-archive:FILE:NAME:TAG or docker-archive:FILE:@N, counted from 0." },
  );
}

function matching(
  images: readonly DockerImage[],
  selector: LayoutSelector,
  reference: string,
): readonly DockerImage[] {
  if (selector === undefined) return images;
  if ("position" in selector) return images.slice(selector.position, selector.position + 1);
  if ("digest" in selector) {
    throw new ImportError(
      "ERR_REFERENCE_INVALID",
      `${reference}: an archive of docker has no digests of manifests`,
      { hint: "Choose by tag or place: docker-archive:FILE:NAME:TAG or docker-archive:FILE:@N." },
    );
  }
  const exact = images.filter(({ tags }) => tags.includes(selector.tag));
  if (exact.length > 0) return exact;
  const wanted = parseReference(selector.tag).canonical;
  return images.filter(({ tags }) => tags.some((tag) => canonicalOf(tag) === wanted));
}

function canonicalOf(tag: string): string | undefined {
  try {
    return parseReference(tag).canonical;
  } catch {
    // What an archive calls its images may be anything.
    return undefined;
  }
}

function notFound(
  images: readonly DockerImage[],
  selector: LayoutSelector,
  reference: string,
): ImportError {
  const nothing = images.length === 0;
  const wanted =
    selector !== undefined && "tag" in selector
      ? `image "${printable(selector.tag)}"`
      : "such image";
  const problem = nothing
    ? `${reference} holds no image: its manifest.json is an empty list`
    : `${reference}: the archive has no ${wanted}; it has ${listOf(images)}`;
  return new ImportError("ERR_IMAGE_NOT_FOUND", problem, {
    hint: nothing
      ? "Write it again: docker save -o FILE NAME:TAG."
      : "Choose one of them: docker-archive:FILE:NAME:TAG or docker-archive:FILE:@N.",
  });
}

/** Tags, or how many images there are when none has one. */
function listOf(images: readonly DockerImage[]): string {
  return listTags(images.flatMap(({ tags }) => (tags.length === 0 ? [undefined] : [...tags])));
}
