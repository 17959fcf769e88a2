import { ImportError, printable } from "../../errors.ts";
import { errnoOf } from "../io-error.ts";

/** A failed system call as ERR_STORE_IO; anything else as it is. @param path in the root; empty for the root itself */
export function unreadable(error: unknown, path: Uint8Array, rootfsPath: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const what = path.length === 0 ? "the root filesystem" : `"${printable(path)}"`;
  const shown = printable(rootfsPath, 4096);
  const denied = errno === "EACCES" || errno === "EPERM";
  return new ImportError("ERR_STORE_IO", `cannot read ${what} at ${shown}: ${errno}`, {
    hint: denied
      ? "Run as root: this user may not read all of it."
      : "See that the root filesystem is there and that nothing changes it, then try again.",
    details: { path: shown, errno },
    cause: error,
  });
}

export function changedWhileRead(path: Uint8Array): ImportError {
  return new ImportError("ERR_STORE_IO", `"${printable(path)}" changed while it was read`, {
    hint: "Stop what uses the root filesystem, then try again.",
    details: { path: printable(path) },
  });
}
