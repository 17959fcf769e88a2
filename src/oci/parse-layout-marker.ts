import { ImportError, printable } from "../errors.ts";
import { optionalText, parseJsonObject } from "./json-object.ts";

/**
 * The `oci-layout` file that makes a directory an OCI image layout (image-spec image-layout.md).
 * @param what `oci-layout of /srv/images`
 * @throws ImportError ERR_MANIFEST_INVALID, ERR_UNSUPPORTED_MEDIA_TYPE (a version that we don't know)
 */
export function checkLayoutMarker(bytes: Uint8Array, what: string): void {
  const version = optionalText(parseJsonObject(bytes, what), "imageLayoutVersion", what);
  if (/^1\.\d+\.\d+$/.test(version)) return;
  throw new ImportError(
    "ERR_UNSUPPORTED_MEDIA_TYPE",
    `${what} says version "${printable(version, 40)}", known is 1.0.0`,
    { hint: "Write the layout again with a current tool, for instance skopeo copy … oci:DIR:TAG." },
  );
}
