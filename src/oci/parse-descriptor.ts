import { ImportError } from "../errors.ts";
import type { Descriptor, Platform } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { requireDigest } from "./digest.ts";
import type { JsonObject } from "./json-object.ts";
import {
  invalidDocument,
  isObject,
  keySpellings,
  optionalText,
  optionalTexts,
  refuseRespelled,
  textEntries,
} from "./json-object.ts";
import { normalizePlatform } from "./parse-platform.ts";
import { digestOf } from "./verify-bytes.ts";

const DESCRIPTOR_KEYS = keySpellings([
  "mediaType",
  "digest",
  "size",
  "urls",
  "annotations",
  "data",
  "platform",
]);
const PLATFORM_KEYS = keySpellings(["os", "architecture", "variant", "os.version", "os.features"]);

/**
 * One content descriptor (image-spec descriptor.md), with every field checked before anybody uses it.
 * @param what `layer 2 in the manifest of …`
 * @throws ImportError ERR_MANIFEST_INVALID, ERR_DIGEST_MISMATCH (`data` that is not what the digest says, MAN-15)
 */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value)) throw invalidDocument(what, "is no descriptor");
  refuseRespelled(value, DESCRIPTOR_KEYS, what);
  const digest = requireDigest(optionalText(value, "digest", what), `the digest of ${what}`);
  const sizeBytes = sizeOf(value, digest, what);
  const platform = platformOf(value, what);
  const annotations = textEntries(value["annotations"]);
  const urls = Array.isArray(value["urls"])
    ? value["urls"].filter((url): url is string => typeof url === "string")
    : [];
  const data = dataOf(value, { digest, sizeBytes }, what);
  return {
    mediaType: optionalText(value, "mediaType", what),
    digest,
    sizeBytes,
    ...(platform === undefined ? {} : { platform }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ...(urls.length === 0 ? {} : { urls }),
    ...(data === undefined ? {} : { data }),
  };
}

/** MAN-16: a safe positive integer; 0 only where the digest is that of nothing. */
function sizeOf(value: JsonObject, digest: Digest, what: string): number {
  const size = value["size"];
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalidDocument(what, "has no valid size");
  }
  if (size === 0 && digest.hex !== digestOf(new Uint8Array(0), digest.algorithm).hex) {
    throw invalidDocument(what, "has size 0 and the digest of something");
  }
  return size;
}

/** A platform without an architecture says nothing: the entry counts as one without. */
function platformOf(value: JsonObject, what: string): Platform | undefined {
  const raw = value["platform"] ?? undefined;
  if (raw === undefined) return undefined;
  if (!isObject(raw)) throw invalidDocument(what, "has a platform that is no object");
  refuseRespelled(raw, PLATFORM_KEYS, `the platform of ${what}`);
  return parseRawPlatform(raw, `the platform of ${what}`);
}

/**
 * The platform fields of an index entry or of a config, normalised.
 * @returns `undefined` without an architecture
 */
export function parseRawPlatform(raw: JsonObject, what: string): Platform | undefined {
  const architecture = optionalText(raw, "architecture", what);
  if (architecture === "") return undefined;
  return normalizePlatform({
    os: optionalText(raw, "os", what),
    architecture,
    variant: optionalText(raw, "variant", what),
    osVersion: optionalText(raw, "os.version", what),
    osFeatures: optionalTexts(raw, "os.features", what),
  });
}

/** MAN-15: embedded bytes are used only if they are the right ones, and never quietly passed over. */
function dataOf(
  value: JsonObject,
  expected: Pick<Descriptor, "digest" | "sizeBytes">,
  what: string,
): Uint8Array | undefined {
  const text = value["data"] ?? undefined;
  if (text === undefined) return undefined;
  if (typeof text !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw invalidDocument(what, "has embedded data that is not base64");
  }
  const data = Buffer.from(text, "base64");
  const actual = digestOf(data, expected.digest.algorithm);
  if (data.length === expected.sizeBytes && actual.hex === expected.digest.hex) return data;
  throw new ImportError(
    "ERR_DIGEST_MISMATCH",
    `the data embedded in ${what} does not match: expected ${expected.digest.text} (${expected.sizeBytes} bytes), got ${actual.text} (${data.length} bytes)`,
    {
      hint: "The image was pushed broken; ask its publisher to push it again.",
      details: { expected: expected.digest.text, actual: actual.text },
    },
  );
}
