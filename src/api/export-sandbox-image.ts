import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { ImportError, printable } from "../errors.ts";
import { exportImage, type ExportTarget } from "../export/export-image.ts";
import type { OnEvent } from "../progress.ts";
import { cancellable } from "./cancellable.ts";
import { carefulEmitter } from "./import-events.ts";
import type { ExportSandboxImageOptions, SandboxImageExport } from "./public-types.ts";
import { requireImage } from "./require-image.ts";
import { withStore } from "./store-settings.ts";
import { storedRootfs } from "./stored-rootfs.ts";

/** A seal of a directory is bound by the disk: more workers do not help. */
const MOST_WORKERS = 2;

/**
 * Writes the root filesystem of a registered image as one tar archive or as a directory, whatever its snapshot is kept as.
 * An archive is reproducible: equal trees give equal bytes. A file or directory appears at once, when all of it is there.
 *
 * @param nameOrId name or id of an image, or id of its snapshot
 * @throws ImportError ERR_NOT_FOUND, ERR_OUTPUT_EXISTS, ERR_OPTION_INVALID, ERR_SNAPSHOT_DAMAGED, ERR_STORE_IO (the
 *   snapshot cannot be read), ERR_OUTPUT_IO, ERR_DISK_FULL, ERR_NOT_PERMITTED, ERR_CANCELLED; then nothing is left behind
 */
export async function exportSandboxImage(
  nameOrId: string,
  options: ExportSandboxImageOptions,
): Promise<SandboxImageExport> {
  const target = exportTarget(options);
  const { emit, throwListenerError } = carefulEmitter(options.onEvent ?? ignore);
  const result = await withStore(options, async (store, project) => {
    const image = await requireImage(store, nameOrId, project);
    const rootfs = storedRootfs(image);
    const { name, snapshotId } = image.image;
    emit({ type: "status", message: `Exporting image '${name}' (${rootfs.format})...` });
    const exported = await exportImage({
      rootfs,
      target,
      openPlace: (place) => store.openExport({ ...place, name, project }),
      fsync: options.fsync ?? true,
      workers: Math.min(MOST_WORKERS, availableParallelism()),
      signal: cancellable(options.signal, "the export was cancelled"),
      onWarning: (warning) => emit({ type: "warning", ...warning }),
    });
    return { name, snapshotId, format: formatOf(target), ...exported };
  });
  warnOfOmissions(result, emit);
  emit({ type: "status", message: finalSentence(result) });
  emit({ type: "done" });
  throwListenerError();
  return result;
}

function exportTarget(options: ExportSandboxImageOptions): ExportTarget {
  const { format = "tar", output, replace = false, sameOwner } = options;
  if (format !== "tar" && format !== "dir") {
    throw invalid(`format is ${printable(String(format))}, it must be "tar" or "dir"`);
  }
  if (typeof output !== "string") {
    if (format === "tar") return { kind: "tar-stream", stream: output };
    throw invalid("a directory cannot be exported to a stream");
  }
  if (output === "") throw invalid("output is empty, it must be a path");
  const path = resolve(output);
  if (format === "tar") return { kind: "tar-file", path, replace };
  return {
    kind: "directory",
    path,
    replace,
    sameOwner: sameOwner ?? process.geteuid?.() === 0,
  };
}

function invalid(message: string): ImportError {
  return new ImportError("ERR_OPTION_INVALID", message);
}

function formatOf(target: ExportTarget): "tar" | "dir" {
  return target.kind === "directory" ? "dir" : "tar";
}

function warnOfOmissions({ omissions }: SandboxImageExport, emit: OnEvent): void {
  const [first] = omissions;
  if (first === undefined) return;
  const others = omissions.length === 1 ? "" : `, and ${omissions.length - 1} more`;
  emit({ type: "warning", code: "omissions", message: `Not exported: ${first}${others}` });
}

function finalSentence({ name, path, entries, sizeBytes }: SandboxImageExport): string {
  const where = path === undefined ? "" : ` to ${path}`;
  return `Image '${name}' exported${where} (${entries} entries, ${sizeBytes} bytes)`;
}

function ignore(): void {
  // Nobody listens.
}
