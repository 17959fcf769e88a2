import { join } from "node:path";
import { directoryEntry, fileEntry, makeLayer } from "../make-layer.ts";
import { writeOciLayout } from "../oci-layout.ts";

const DIRECTORIES = 10;

/** An image of so many files of 4 KiB, as `WORK/layout` with the name `case`. @returns bytes of all files */
export async function writeImageOfFiles(work: string, files: number): Promise<number> {
  const entries = Array.from({ length: files }, (_, number) =>
    fileEntry(`d${number % DIRECTORIES}/file-${number}`, `contents ${number}\n`.padEnd(4096, "x")),
  );
  const directories = Array.from({ length: DIRECTORIES }, (_, number) =>
    directoryEntry(`d${number}`),
  );
  const layer = await makeLayer([...directories, ...entries]);
  writeOciLayout(join(work, "layout"), "case", { layers: [layer] });
  return entries.reduce((sum, { contents }) => sum + (contents?.length ?? 0), 0);
}
