import { join } from "node:path";
import { importSandboxImage, type ImportSandboxImageOptions } from "../../../src/index.ts";

/** Imports the image `case` of the layout `WORK/layout` from the sources, without waiting for the disk. */
export async function importLayout(
  work: string,
  output: string,
  options: ImportSandboxImageOptions,
): Promise<void> {
  await importSandboxImage(`oci:${join(work, "layout")}:case`, {
    home: join(work, "home"),
    output,
    registeredName: "case",
    replace: true,
    fsync: false,
    ...options,
  });
}
