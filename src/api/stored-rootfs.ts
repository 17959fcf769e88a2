import { fileURLToPath } from "node:url";
import { ImportError, printable } from "../errors.ts";
import type { StoredRootfs } from "../export/open-tree-reader.ts";
import type { RegisteredImage } from "../store/records.ts";

/** @throws ImportError ERR_SNAPSHOT_UNSUPPORTED */
export function storedRootfs({ snapshot }: RegisteredImage): StoredRootfs {
  const { snapshotUri = "", format, id } = snapshot;
  if (snapshotUri.startsWith("file:")) return { format, path: fileURLToPath(snapshotUri) };
  throw new ImportError("ERR_SNAPSHOT_UNSUPPORTED", `snapshot ${id} is not on this machine`, {
    hint: "Import the image here.",
    details: { uri: printable(snapshotUri) },
  });
}
