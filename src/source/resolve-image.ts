import { ImportError, throwIfCancelled } from "../errors.ts";
import { rankPlatform } from "../oci/choose-platform.ts";
import type { Platform } from "../oci/descriptor.ts";
import type { ResolvedImage } from "../oci/image.ts";
import { invalidDocument } from "../oci/json-object.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import { formatPlatform } from "../oci/parse-platform.ts";
import { digestOf, verifyDigest } from "../oci/verify-bytes.ts";
import { loadConfig } from "./load-config.ts";
import type { FoundManifest, ResolveImageInput } from "./resolution.ts";
import { chooseFromIndex } from "./walk-index.ts";

/**
 * From what a tag or digest names to one image for the wanted platform: walks the indexes, chooses, fetches the config,
 * and verifies every byte on the way (registry-cases MAN-3 … MAN-17, PLAT-2 … PLAT-5). Layers are not touched.
 * @throws ImportError ERR_PLATFORM_NOT_FOUND, ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE, ERR_DIGEST_MISMATCH,
 *   ERR_SIZE_MISMATCH, ERR_LIMIT_EXCEEDED, ERR_CANCELLED, and what the fetch functions throw
 */
export async function resolveImage(input: ResolveImageInput): Promise<ResolvedImage> {
  const { root, reference, limits } = input;
  throwIfCancelled(input.signal);
  if ("entries" in root) return finish(input, await chooseFromIndex(input, root.entries, []));
  const what = `the manifest of ${reference}`;
  if (root.digest !== undefined) verifyDigest(root.bytes, root.digest, what);
  const document = parseManifest(root.bytes, { mediaType: root.mediaType, what, limits });
  const digest = root.digest ?? digestOf(root.bytes);
  if (document.kind === "index") {
    return finish(input, await chooseFromIndex(input, document.entries, [digest]));
  }
  const config = await loadConfig(input, document);
  refuseOtherPlatform(input, config.config.platform);
  const { bytes } = root;
  return finish(input, { manifest: document, bytes, digest, platform: undefined, config });
}

/** MAN-12: a single manifest of another platform is what the user gets, unless `--platform` said otherwise. */
function refuseOtherPlatform({ wanted, reference }: ResolveImageInput, offered: Platform): void {
  if (!wanted.explicit || rankPlatform(wanted.platform, offered) !== undefined) return;
  const has = formatPlatform(offered);
  throw new ImportError(
    "ERR_PLATFORM_NOT_FOUND",
    `${reference} has no image for ${formatPlatform(wanted.platform)}; it has ${has}`,
    {
      hint: `Leave --platform out to import the image for ${has} all the same.`,
      details: { reference, wanted: formatPlatform(wanted.platform), available: has },
    },
  );
}

async function finish(input: ResolveImageInput, found: FoundManifest): Promise<ResolvedImage> {
  const { manifest, bytes, digest } = found;
  const { config, bytes: configBytes } = found.config ?? (await loadConfig(input, manifest));
  const platform = found.platform ?? config.platform;
  return {
    reference: input.reference,
    manifestDigest: digest,
    platform,
    layers: manifest.layers.map((descriptor, index) => {
      const diffId = config.diffIds[index];
      if (diffId === undefined)
        throw invalidDocument(`the config of ${input.reference}`, "lacks a diff_id");
      return { index, descriptor, diffId };
    }),
    config,
    configBytes,
    manifestBytes: bytes,
    warnings: platformWarnings(input, platform),
  };
}

/** PLAT-2: docker falls back to another architecture silently; a user who sees "exec format error" wants to know. */
function platformWarnings(
  { wanted, reference }: ResolveImageInput,
  platform: Platform,
): ResolvedImage["warnings"] {
  const asked = formatPlatform(wanted.platform);
  const taken = formatPlatform(platform);
  if (rankPlatform(wanted.platform, platform) === undefined) {
    const message = `${reference} is an image for ${taken}, not for ${asked}: its programs may not run here`;
    return [{ code: "platform_mismatch", message }];
  }
  if (platform.architecture === wanted.platform.architecture) return [];
  const message = `${reference} has no image for ${asked}; the one for ${taken} is taken, which such a machine can run`;
  return [{ code: "platform_fallback", message }];
}
