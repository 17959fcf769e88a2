import { ImportError, printable } from "../errors.ts";
import { parseReference } from "../oci/parse-reference.ts";
import type { ImageSource, OpenSourceOptions } from "./image-source.ts";
import { openDockerArchive } from "./docker-archive-source.ts";
import type { LocalScheme } from "./layout-reference.ts";
import { parseLayoutReference } from "./layout-reference.ts";
import { openOciArchive } from "./oci-archive-source.ts";
import { openOciLayout } from "./oci-layout-source.ts";
import { openRegistrySource } from "./registry-source.ts";

const LOCAL = /^(oci|oci-archive|docker-archive):(?!\/\/)/;
const OPEN_LOCAL = {
  oci: openOciLayout,
  "oci-archive": openOciArchive,
  "docker-archive": openDockerArchive,
} as const;

/**
 * Where an image comes from, by the text that names it: `oci:DIR[:TAG|@DIGEST]` is a layout on the disk, `oci-archive:FILE…`
 * one in a tar archive, `docker-archive:FILE…` what `docker save` wrote, anything else a reference to a registry. (`oci://…`
 * is none of these: people write it for registries, and it is refused as such, REF-9.)
 * @throws ImportError ERR_REFERENCE_INVALID, and what opening the source raises
 */
export async function openImageSource(
  text: string,
  options: OpenSourceOptions,
): Promise<ImageSource> {
  const scheme = schemeOf(text);
  if (scheme !== undefined) {
    const { path, selector } = await parseLayoutReference(text.slice(scheme.length + 1), scheme);
    return OPEN_LOCAL[scheme](path, selector, options);
  }
  const reference = parseReference(text);
  if (reference.registry === "") throw notAHost(text, reference.repository);
  return openRegistrySource(reference, options);
}

function schemeOf(text: string): LocalScheme | undefined {
  const scheme = LOCAL.exec(text)?.[1];
  return scheme === "oci" || scheme === "oci-archive" || scheme === "docker-archive"
    ? scheme
    : undefined;
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
