import { ImportError, printable } from "../errors.ts";
import { limitDetails, raiseLimit, type Limits } from "../limits.ts";
import type { Descriptor } from "./descriptor.ts";
import type { JsonObject } from "./json-object.ts";
import {
  documentTooLong,
  invalidDocument,
  keySpellings,
  optionalList,
  optionalText,
  parseJsonObject,
  refuseRespelled,
  refuseTwice,
} from "./json-object.ts";
import type { DocumentKind } from "./media-types.ts";
import {
  documentKind,
  essenceOf,
  isAttestationLayer,
  isEncryptedLayer,
  isImageConfig,
  isTarLayer,
} from "./media-types.ts";
import { parseDescriptor } from "./parse-descriptor.ts";

/** An index: one entry a platform, or a further index. */
export interface ImageIndex {
  readonly kind: "index";
  readonly entries: readonly Descriptor[];
}

/** The manifest of one platform. All layers are of a kind that can be imported. */
export interface ImageManifest {
  readonly kind: "image";
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

export interface ParseManifestOptions {
  /** Content-Type, or the descriptor's type; a vague one (`application/json`, none) leaves it to the document. */
  readonly mediaType?: string | undefined;
  /** `the manifest of ghcr.io/org/app:1.2`: how messages begin. */
  readonly what: string;
  readonly limits: Limits;
}

/** Entries of one index; of all indexes of an image together as well (MAN-8). */
export const INDEX_ENTRIES = 1024;
const DECIDING_KEYS = ["mediaType", "manifests", "layers", "config", "fsLayers"];
const READ_KEYS = keySpellings([...DECIDING_KEYS, "schemaVersion", "artifactType"]);

/**
 * A manifest or an index, as strict as the peers together (registry-cases MAN-4 … MAN-17, LAY-2).
 * @throws ImportError ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_LIMIT_EXCEEDED (layers),
 *   ERR_DIGEST_MISMATCH (embedded data), ERR_REGISTRY_PROTOCOL (an HTML page)
 */
export function parseManifest(
  bytes: Uint8Array,
  options: ParseManifestOptions,
): ImageIndex | ImageManifest {
  const { what, limits } = options;
  if (bytes.length > limits.manifestBytes) {
    throw documentTooLong(what, limits, { limit: "manifestBytes", value: bytes.length });
  }
  refuseHtml(bytes, options);
  const document = parseJsonObject(bytes, what);
  refuseTwice(bytes, DECIDING_KEYS, what);
  refuseRespelled(document, READ_KEYS, what);
  const kind = kindOf(document, options);
  if (kind === "index") return parseIndex(document, what);
  if (kind === "image") return parseImage(document, options);
  throw unsupported(what, "is of schema 1, which no current docker reads", {
    hint: "Ask its publisher to push it again with a current docker.",
  });
}

/** MAN-6: a web UI or a captive portal answers 200 with a page. */
function refuseHtml(bytes: Uint8Array, { mediaType = "", what }: ParseManifestOptions): void {
  const isPage = /^\s*</.test(Buffer.from(bytes.subarray(0, 256)).toString("latin1"));
  if (!isPage || !/^(?:text\/html|application\/xhtml\+xml)$/.test(essenceOf(mediaType))) return;
  throw new ImportError("ERR_REGISTRY_PROTOCOL", `${what} is an HTML page, not a manifest`, {
    hint: "Check the host in the reference: is it a registry? A login page of the network answers like this too.",
  });
}

/**
 * MAN-5. Attack: one document that is an index to one client and a manifest to another ("ambiguous manifest",
 * CVE-2021-41190): what the transport says, what the document says and how it is built must agree.
 */
function kindOf(
  document: JsonObject,
  { mediaType = "", what }: ParseManifestOptions,
): DocumentKind {
  const outside = documentKind(mediaType);
  const ownType = optionalText(document, "mediaType", what);
  const inside = documentKind(ownType);
  if (
    outside !== undefined &&
    inside !== undefined &&
    essenceOf(ownType) !== essenceOf(mediaType)
  ) {
    throw invalidDocument(
      what,
      `was announced as ${printable(essenceOf(mediaType), 100)} and calls itself ${printable(ownType, 100)}`,
    );
  }
  const kind = inside ?? outside ?? shapeOf(document, what);
  const foreign =
    kind === "index"
      ? ["layers", "config", "fsLayers"]
      : kind === "image"
        ? ["manifests", "fsLayers"]
        : [];
  const wrong = foreign.find((key) => Object.hasOwn(document, key));
  if (wrong !== undefined) {
    throw invalidDocument(what, `is ambiguous: it is called an ${kind} and has "${wrong}"`);
  }
  const version = document["schemaVersion"] ?? 2;
  if (kind !== "schema1" && version !== 2) {
    // Attack: lists in lists, a hundred thousand deep, which JSON.parse takes and JSON.stringify does not.
    const shown = typeof version === "number" ? ` ${version}` : " that is no number";
    throw invalidDocument(what, `has a schemaVersion${shown}, not 2`);
  }
  return kind;
}

function shapeOf(document: JsonObject, what: string): DocumentKind {
  if (Object.hasOwn(document, "manifests")) return "index";
  if (Object.hasOwn(document, "config") && Object.hasOwn(document, "layers")) return "image";
  if (Object.hasOwn(document, "fsLayers")) return "schema1";
  const type =
    optionalText(document, "artifactType", what) || optionalText(document, "mediaType", what);
  if (type === "") throw invalidDocument(what, "is neither a manifest nor an index");
  throw unsupported(what, `is no container image but of type ${printable(type, 100)}`, {
    hint: "Import an image: an OCI or Docker manifest, or an index of them.",
  });
}

function parseIndex(document: JsonObject, what: string): ImageIndex {
  if (!Array.isArray(document["manifests"]))
    throw invalidDocument(what, "has no list of manifests");
  const entries = optionalList(document, "manifests", what);
  if (entries.length > INDEX_ENTRIES) {
    throw invalidDocument(what, `has more than ${INDEX_ENTRIES} entries`);
  }
  return {
    kind: "index",
    entries: entries.map((entry, at) => parseDescriptor(entry, `entry ${at + 1} in ${what}`)),
  };
}

function parseImage(document: JsonObject, { what, limits }: ParseManifestOptions): ImageManifest {
  const config = parseDescriptor(document["config"], `the config in ${what}`);
  const artifactType = optionalText(document, "artifactType", what);
  if (artifactType !== "" || !isImageConfig(config.mediaType)) {
    const type = printable(artifactType === "" ? config.mediaType : artifactType, 100);
    throw unsupported(what, `is no container image but an artifact of type ${type}`, {
      hint: "Import an image; charts, signatures, plugins and modules have no root filesystem.",
    });
  }
  if (!Array.isArray(document["layers"])) throw invalidDocument(what, "has no list of layers");
  const layers = optionalList(document, "layers", what);
  if (layers.length > limits.layers) {
    throw new ImportError(
      "ERR_LIMIT_EXCEEDED",
      `${what} has ${layers.length} layers, the limit is ${limits.layers}`,
      {
        hint: raiseLimit("layers"),
        details: limitDetails("layers", layers.length, limits),
      },
    );
  }
  return {
    kind: "image",
    config,
    layers: layers.map((layer, at) => parseLayer(layer, `layer ${at + 1} in ${what}`)),
  };
}

/** MAN-13; the magic bytes decide about the compression later. */
function parseLayer(value: unknown, what: string): Descriptor {
  const layer = parseDescriptor(value, what);
  if (isTarLayer(layer.mediaType)) return layer;
  if (isEncryptedLayer(layer.mediaType)) {
    throw unsupported(what, "is encrypted (ocicrypt)", {
      hint: "Decrypt the image first, for instance with skopeo copy --decryption-key.",
    });
  }
  if (isAttestationLayer(layer.mediaType)) {
    throw unsupported(what, "is an attestation, so this is no image", {
      hint: "Import the image that the attestation is about, by its tag.",
    });
  }
  throw unsupported(what, `has the unknown media type ${printable(layer.mediaType, 100)}`, {
    hint: "Ask the publisher for layers of type tar, tar+gzip or tar+zstd.",
  });
}

function unsupported(what: string, why: string, context: { readonly hint: string }): ImportError {
  return new ImportError("ERR_UNSUPPORTED_MEDIA_TYPE", `${what} ${why}`, context);
}
