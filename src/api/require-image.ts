import { ImportError, printable } from "../errors.ts";
import type { RegisteredImage } from "../store/records.ts";
import type { Store } from "../store/store.ts";

/** By name or id. @throws ImportError ERR_NOT_FOUND */
export async function requireImage(
  store: Store,
  nameOrId: string,
  project: string,
): Promise<RegisteredImage> {
  const found = await store.catalog.find(nameOrId, { project });
  if (found === undefined) throw imageNotFound(nameOrId);
  return found;
}

export function imageNotFound(nameOrId: string): ImportError {
  return new ImportError("ERR_NOT_FOUND", `image '${printable(nameOrId)}' not found`, {
    hint: "List the images with: tl sbx image ls",
  });
}
