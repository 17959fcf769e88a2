import { ImportError, printable } from "../errors.ts";

const MAX_NAME_BYTES = 255;
/** Control characters and line separators: they would forge lines of `ls`. A lone surrogate would be stored as another name. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029]/u;

/**
 * Any name of 1 to 255 bytes goes, `/`, `:`, blanks and upper case too: a name is never used as a path.
 * @throws ImportError ERR_NAME_INVALID
 */
export function checkImageName(name: string): void {
  const why = faultOf(name);
  if (why === undefined) return;
  throw new ImportError("ERR_NAME_INVALID", `image name "${printable(name)}" ${why}`, {
    hint: "Choose another name (of an import: with --registered-name).",
    details: { name: printable(name) },
  });
}

/** Projects are named by the same rule. @throws ImportError ERR_OPTION_INVALID */
export function checkProject(project: string): void {
  const why = faultOf(project);
  if (why === undefined) return;
  throw new ImportError("ERR_OPTION_INVALID", `project "${printable(project)}" ${why}`, {
    hint: "Set $TENSORLAKE_PROJECT_ID to the id of a project, or leave it out.",
  });
}

function faultOf(name: string): string | undefined {
  if (name.trim() === "") return "must not be empty";
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `is longer than ${MAX_NAME_BYTES} bytes`;
  if (FORBIDDEN.test(name)) return "holds a control character";
  return undefined;
}
