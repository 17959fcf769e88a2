import { ImportError } from "../errors.ts";

const FALLBACK = "imported-image";

/**
 * The name that an imported reference is registered under, as `tl` derives it (cli-and-sdk-surface §1.5): what follows
 * the last `/`, without digest and tag. A rule on text, not on references: it has a name for anything but blanks.
 * @throws ImportError ERR_REFERENCE_INVALID when there is nothing but white space
 */
export function deriveImageName(reference: string): string {
  const trimmed = reference.trim();
  if (trimmed === "") {
    throw new ImportError("ERR_REFERENCE_INVALID", "image reference to import must not be empty", {
      hint: "Name an image, for instance alpine:3.20.",
    });
  }
  const [withoutDigest = ""] = trimmed.split("@", 1);
  const last = withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1);
  const colon = last.lastIndexOf(":");
  const isTag = colon >= 0 && colon < last.length - 1;
  const name = isTag ? last.slice(0, colon) : last;
  return name === "" ? FALLBACK : name;
}
