import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ImportError } from "../errors.ts";
import { syncDirectory } from "./durable-files.ts";
import { randomToken } from "./ids.ts";
import {
  makeStaging,
  planOutput,
  planOutputFile,
  publish,
  removeMadeParents,
  type OutputPlace,
} from "./output-place.ts";
import { attempt } from "./store-error.ts";

export interface ExportPlaceOptions {
  readonly kind: "file" | "directory";
  /** Absolute. */
  readonly outputPath: string;
  /** Of a file: takes the place of one that is there. */
  readonly replace: boolean;
  readonly homePath: string;
  readonly fsync: boolean;
}

/**
 * Where an export grows until it is whole: in a hidden directory beside the output. Exactly one of `publish` and `discard`
 * ends it. A killed process leaves the hidden directory, and never a part of the output.
 */
export interface ExportPlace {
  /** The final path, the links of its parents resolved. */
  readonly path: string;
  /** Not there yet. */
  readonly growingPath: string;
  /** Makes it visible in one step. @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO; then `discard` is still due */
  publish(): void;
  /** Once what grew is removed: removes the place, and the parents that were made for it. */
  discard(): void;
}

/** @throws ImportError ERR_OUTPUT_EXISTS, ERR_OUTPUT_IO, ERR_OPTION_INVALID, ERR_DISK_FULL */
export function openExportPlace(options: ExportPlaceOptions): ExportPlace {
  const place = planOf(options);
  try {
    makeStaging(place);
  } catch (error) {
    removeMadeParents(place);
    throw error;
  }
  const { path, stagingPath } = place;
  const growingPath = join(stagingPath, "rootfs");
  return {
    path,
    growingPath,
    publish: () => {
      publish(place, growingPath);
      rmdirSync(stagingPath);
      const parent = dirname(path);
      if (options.fsync) attempt("sync", parent, () => syncDirectory(parent), "ERR_OUTPUT_IO");
    },
    discard: () => {
      rmdirSync(stagingPath);
      removeMadeParents(place);
    },
  };
}

function planOf({ kind, outputPath, replace, homePath }: ExportPlaceOptions): OutputPlace {
  const id = randomToken();
  if (kind === "file") return planOutputFile(outputPath, id, { homePath, replace });
  if (!replace) return planOutput(outputPath, id, homePath);
  throw new ImportError("ERR_OPTION_INVALID", "an export to a directory replaces nothing", {
    hint: "Leave --replace out, and name a directory that is new or empty.",
  });
}
