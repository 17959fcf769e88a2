import { ImportError } from "../errors.ts";

const FALLBACK = "imported-image";
const ARCHIVE = /^(?:oci|docker)-archive:/;

/**
 * The name that an imported reference is registered under, as `tl` derives it (cli-and-sdk-surface §1.5): what follows
 * the last `/`, without digest and tag. A rule on text, not on references: it has a name for anything but blanks. Of an
 * archive it is what follows its scheme: the image in it that is named, else the file without `.tar`.
 * @throws ImportError ERR_REFERENCE_INVALID when there is nothing but white space
 */
export function deriveImageName(reference: string): string {
  const trimmed = reference.trim();
  if (trimmed === "") {
    throw new ImportError("ERR_REFERENCE_INVALID", "image reference to import must not be empty", {
      hint: "Name an image, for instance alpine:3.20.",
    });
  }
  if (ARCHIVE.test(trimmed)) {
    const [withoutPosition = ""] = trimmed.replace(ARCHIVE, "").split(/:?@/, 1);
    const name = nameOf(withoutPosition);
    return name.slice(name.lastIndexOf(":") + 1).replace(/(?<=.)\.tar$/, "") || FALLBACK;
  }
  const [withoutDigest = ""] = trimmed.split("@", 1);
  return nameOf(withoutDigest);
}

function nameOf(withoutDigest: string): string {
  const last = withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1);
  const colon = last.lastIndexOf(":");
  const isTag = colon >= 0 && colon < last.length - 1;
  const name = isTag ? last.slice(0, colon) : last;
  return name === "" ? FALLBACK : name;
}
