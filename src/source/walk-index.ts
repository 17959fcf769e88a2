import { ImportError, throwIfCancelled } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import { choosePlatform, isAttestation, rankPlatform } from "../oci/choose-platform.ts";
import { documentTooLong, invalidDocument } from "../oci/json-object.ts";
import { documentKind, essenceOf } from "../oci/media-types.ts";
import type { ImageIndex, ImageManifest } from "../oci/parse-manifest.ts";
import { INDEX_ENTRIES, parseManifest } from "../oci/parse-manifest.ts";
import { formatPlatform } from "../oci/parse-platform.ts";
import { verifyBytes } from "../oci/verify-bytes.ts";
import { loadConfig } from "./load-config.ts";
import type { FoundManifest, ResolveImageInput } from "./resolution.ts";

/** Indexes in indexes (MAN-8). */
const DEPTH = 4;
/** Configs fetched to learn the platform of entries that do not say it (PLAT-4). */
const CONFIGS = 8;
/** Manifests and indexes fetched for one image. Attack: 1024 nested indexes of 4 MiB each, none of which fits. */
const DOCUMENTS = 64;
const PLATFORMS_SHOWN = 20;

/** What one walk has seen, and may still see. */
interface Walk {
  readonly input: ResolveImageInput;
  readonly available: Set<string>;
  entriesSeen: number;
  documentsLeft: number;
  configsLeft: number;
  /** Why an entry that could have been the image was none. */
  unsupported: ImportError | undefined;
}

interface Ranked extends FoundManifest {
  readonly rank: number;
}

/**
 * The manifest for the wanted platform under these entries.
 * @param path digests of the indexes that led here
 * @throws ImportError ERR_PLATFORM_NOT_FOUND with what there is, and all that reading the documents can raise
 */
export async function chooseFromIndex(
  input: ResolveImageInput,
  entries: readonly Descriptor[],
  path: readonly Digest[],
): Promise<FoundManifest> {
  const walk: Walk = {
    input,
    available: new Set(),
    entriesSeen: 0,
    documentsLeft: DOCUMENTS,
    configsLeft: CONFIGS,
    unsupported: undefined,
  };
  const found = await search(walk, entries, path);
  if (found === undefined) throw notFound(walk);
  return found;
}

/** Depth first, best fit first; entries that do not say their platform come after those that do (PLAT-4, MAN-8). */
async function search(
  walk: Walk,
  entries: readonly Descriptor[],
  path: readonly Digest[],
): Promise<Ranked | undefined> {
  const { wanted, reference } = walk.input;
  walk.entriesSeen += entries.length;
  if (walk.entriesSeen > INDEX_ENTRIES) {
    throw invalidDocument(
      `the index of ${reference}`,
      `has more than ${INDEX_ENTRIES} entries in all`,
    );
  }
  if (path.length > DEPTH) {
    throw invalidDocument(`the index of ${reference}`, `is nested more than ${DEPTH} deep`);
  }
  noteAvailable(walk, entries);
  // MAN-9: an index may list anything; what is neither a manifest nor an index is not ours.
  const readable = entries.filter(({ mediaType }) => isReadable(mediaType));
  const { fitting, unmarked } = choosePlatform(readable, wanted.platform);
  for (const entry of fitting) {
    const found = await enter(walk, entry, path);
    if (found !== undefined) return found;
  }
  let best: Ranked | undefined;
  for (const entry of unmarked) {
    const found = await enterUnmarked(walk, entry, path);
    if (found !== undefined && (best === undefined || found.rank < best.rank)) best = found;
    if (best?.rank === 0) break;
  }
  return best;
}

/** An entry whose platform fits: a manifest is the answer, an index has to be searched. */
async function enter(
  walk: Walk,
  entry: Descriptor,
  path: readonly Digest[],
): Promise<Ranked | undefined> {
  const { document, bytes } = await load(walk, entry, path);
  if (document.kind === "index") return search(walk, document.entries, [...path, entry.digest]);
  const rank = (entry.platform && rankPlatform(walk.input.wanted.platform, entry.platform)) ?? 0;
  const { digest, platform } = entry;
  return { manifest: document, bytes, digest, platform, config: undefined, rank };
}

/** An entry without a platform: an index is searched; of a manifest the config decides. An artifact is passed over. */
async function enterUnmarked(
  walk: Walk,
  entry: Descriptor,
  path: readonly Digest[],
): Promise<Ranked | undefined> {
  if (walk.configsLeft === 0 || walk.documentsLeft === 0) return undefined;
  try {
    const { document, bytes } = await load(walk, entry, path);
    if (document.kind === "index")
      return await search(walk, document.entries, [...path, entry.digest]);
    walk.configsLeft -= 1;
    const config = await loadConfig(walk.input, document);
    const { platform } = config.config;
    walk.available.add(formatPlatform(platform));
    const rank = rankPlatform(walk.input.wanted.platform, platform);
    if (rank === undefined) return undefined;
    return { manifest: document, bytes, digest: entry.digest, platform: undefined, config, rank };
  } catch (error) {
    if (!(error instanceof ImportError) || error.code !== "ERR_UNSUPPORTED_MEDIA_TYPE") throw error;
    walk.unsupported ??= error;
    return undefined;
  }
}

/** Fetches, verifies and parses what an entry points to. */
async function load(
  walk: Walk,
  entry: Descriptor,
  path: readonly Digest[],
): Promise<{ readonly document: ImageIndex | ImageManifest; readonly bytes: Uint8Array }> {
  const { input } = walk;
  const { limits, signal } = input;
  const what = `the manifest ${entry.digest.text} of ${input.reference}`;
  if (path.some(({ text }) => text === entry.digest.text)) {
    throw invalidDocument(`the index of ${input.reference}`, "contains itself");
  }
  if (entry.sizeBytes > limits.manifestBytes) {
    throw documentTooLong(what, limits, { limit: "manifestBytes", value: entry.sizeBytes });
  }
  if (walk.documentsLeft === 0) {
    throw invalidDocument(
      `the index of ${input.reference}`,
      `leads to more than ${DOCUMENTS} manifests`,
    );
  }
  walk.documentsLeft -= 1;
  throwIfCancelled(signal);
  const fetched =
    entry.data === undefined ? await input.fetchManifest(entry, signal) : { bytes: entry.data };
  verifyBytes(fetched.bytes, entry, what);
  requireSameType(fetched.mediaType, entry.mediaType, what);
  const document = parseManifest(fetched.bytes, { mediaType: entry.mediaType, what, limits });
  return { document, bytes: fetched.bytes };
}

/** MAN-5: Content-Type, descriptor and document agree; the document is compared with the descriptor by the parser. */
function requireSameType(sent: string | undefined, expected: string, what: string): void {
  if (sent === undefined || documentKind(sent) === undefined) return;
  if (essenceOf(sent) === essenceOf(expected)) return;
  throw invalidDocument(
    what,
    `was sent as ${essenceOf(sent)}, its descriptor says ${essenceOf(expected)}`,
  );
}

function isReadable(mediaType: string): boolean {
  const kind = documentKind(mediaType);
  return kind === "index" || kind === "image";
}

function noteAvailable(walk: Walk, entries: readonly Descriptor[]): void {
  for (const entry of entries) {
    if (entry.platform === undefined || isAttestation(entry) || !isReadable(entry.mediaType))
      continue;
    walk.available.add(formatPlatform(entry.platform));
  }
}

/** PLAT-5. */
function notFound({ input, available, entriesSeen, unsupported }: Walk): ImportError {
  const { reference, wanted } = input;
  if (available.size === 0 && unsupported !== undefined) return unsupported;
  const names = [...available].toSorted();
  const shown = names.slice(0, PLATFORMS_SHOWN).join(", ");
  const more = names.length > PLATFORMS_SHOWN ? ` and ${names.length - PLATFORMS_SHOWN} more` : "";
  const nothing = entriesSeen === 0 ? "its index is empty" : "its index lists no images";
  const has = names.length === 0 ? nothing : `it has ${shown}${more}`;
  return new ImportError(
    "ERR_PLATFORM_NOT_FOUND",
    `${reference} has no image for ${formatPlatform(wanted.platform)}; ${has}`,
    {
      hint:
        names.length === 0
          ? "Ask its publisher; there is nothing to import under this name."
          : "Choose one of them with --platform.",
      details: { reference, wanted: formatPlatform(wanted.platform), available: shown },
    },
  );
}
