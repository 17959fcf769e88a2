import { ImportError, printable } from "../errors.ts";
import { parseReference } from "../oci/parse-reference.ts";
import type { ImageSource, OpenSourceOptions } from "./image-source.ts";
import { parseLayoutReference } from "./layout-reference.ts";
import { openOciLayout } from "./oci-layout-source.ts";
import { openRegistrySource } from "./registry-source.ts";

const LAYOUT = "oci:";
const ARCHIVE = /^(oci-archive|docker-archive):/;

/**
 * Where an image comes from, by the text that names it: `oci:DIR[:TAG|@DIGEST]` is a layout on the disk, anything else a
 * reference to a registry. (`oci://…` is neither: people write it for registries, and it is refused as such, REF-9.)
 * @throws ImportError ERR_REFERENCE_INVALID, and what opening the source raises
 */
export async function openImageSource(
  text: string,
  options: OpenSourceOptions,
): Promise<ImageSource> {
  if (text.startsWith(LAYOUT) && !text.startsWith(`${LAYOUT}//`)) {
    const { path, selector } = await parseLayoutReference(text.slice(LAYOUT.length));
    return openOciLayout(path, selector, options);
  }
  const archive = ARCHIVE.exec(text)?.[1];
  if (archive !== undefined) throw unsupportedArchive(text, archive);
  const reference = parseReference(text);
  if (reference.registry === "") throw notAHost(text, reference.repository);
  return openRegistrySource(reference, options);
}

function unsupportedArchive(text: string, kind: string): ImportError {
  return new ImportError(
    "ERR_REFERENCE_INVALID",
    `${kind}: archives are not supported yet: "${printable(text)}"`,
    {
      hint: `Unpack it into a layout first: skopeo copy ${kind}:FILE oci:DIR:TAG, then import oci:DIR:TAG.`,
    },
  );
}

/** Docker's grammar takes `a_b.example/c` for a path without a host; requests would have nowhere to go. */
function notAHost(text: string, repository: string): ImportError {
  const [host = ""] = repository.split("/", 1);
  return new ImportError(
    "ERR_REFERENCE_INVALID",
    `invalid image reference "${printable(text)}": "${printable(host)}" is not a host name`,
    { hint: "A host is made of letters, digits, '-' and '.', with an optional :PORT." },
  );
}
