import { ImportError, printable } from "../errors.ts";

/** A feature of its file system that no code here reads. */
export function unsupported(imagePath: string, what: string): ImportError {
  return new ImportError(
    "ERR_SNAPSHOT_UNSUPPORTED",
    `the image ${printable(imagePath)} uses what this reader does not know: ${what}`,
    { hint: "Look into it with a mount, or import the image again." },
  );
}

/** What a reader throws that does not collect damage. */
export function damaged(
  imagePath: string,
  what: string,
  details: Readonly<Record<string, string | number>> = {},
): ImportError {
  return new ImportError(
    "ERR_SNAPSHOT_DAMAGED",
    `the image ${printable(imagePath)} is damaged: ${what}`,
    {
      hint: "Import the image again; `tl sbx image verify` lists what is damaged.",
      details: { path: printable(imagePath), ...details },
    },
  );
}
