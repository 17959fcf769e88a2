import { ImportError, throwIfCancelled } from "../errors.ts";
import { wrongSize } from "./blob-stream.ts";
import type { ImageArchive } from "./image-archive.ts";
import { openImageArchive } from "./image-archive.ts";
import type { ImageSource, OpenSourceOptions } from "./image-source.ts";
import type { LayoutSelector } from "./layout-reference.ts";
import type { LayoutFiles } from "./oci-layout-source.ts";
import { OciLayoutSource, requireLayoutMarker } from "./oci-layout-source.ts";

/** What is content-addressed: its digest decides, so a second entry of the name can do no harm. */
const BLOBS = "blobs/";

/**
 * An OCI image layout in a tar archive, as `skopeo copy … oci-archive:FILE` and `podman save --format oci-archive` write it,
 * and `docker save` from Docker 25 on.
 * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_NOT_PERMITTED, ERR_MANIFEST_INVALID, ERR_ARCHIVE_INVALID
 */
export async function openOciArchive(
  path: string,
  selector: LayoutSelector,
  { limits }: OpenSourceOptions,
): Promise<ImageSource> {
  const archive = await openImageArchive(path, `oci-archive:${path}`);
  const files = filesOf(archive);
  const layout = new OciLayoutSource(files, selector, limits);
  return {
    reference: layout.reference,
    resolve: async (wanted, signal) => {
      throwIfCancelled(signal);
      await archive.scan(limits, signal);
      requireLayout(archive);
      await requireLayoutMarker(files);
      return layout.resolve(wanted, signal);
    },
    openLayer: (descriptor, options) => layout.openLayer(descriptor, options),
    close: async () => {
      await layout.close();
      await archive.close();
    },
  };
}

function filesOf(archive: ImageArchive): LayoutFiles {
  return {
    label: archive.label,
    read: async (name, maxBytes, what) =>
      name.startsWith(BLOBS)
        ? archive.readMember(archive.find(name, what), maxBytes)
        : archive.readDocument(name, maxBytes, what),
    open: async (name, { sizeBytes }, options) => {
      const member = archive.find(name, options.what);
      if (member.sizeBytes !== sizeBytes) {
        throw wrongSize(options.what, sizeBytes, member.sizeBytes);
      }
      return archive.stream(member, options);
    },
  };
}

function requireLayout(archive: ImageArchive): void {
  if (archive.has("oci-layout")) return;
  const hint = archive.has("manifest.json")
    ? "It has a manifest.json, as docker save writes it: use docker-archive:FILE."
    : "The files oci-layout and index.json lie at the top of such an archive: make it with tar -C DIR -cf FILE .";
  throw new ImportError("ERR_ARCHIVE_INVALID", `${archive.label} holds no OCI layout`, { hint });
}
