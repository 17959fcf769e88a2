import { lstatSync } from "node:fs";
import { imageProblems } from "../ext4-check.ts";
import { withMounted } from "../loop-mount.ts";
import type { CaseContext } from "./case-bytes.ts";
import { checkRoot } from "./case-check.ts";
import type { LayerCase } from "./case-json.ts";

/** A kind of output that cases are imported into. */
export interface CaseSink {
  /** Options of the imports that are tried; a later one only where the disk of the one before was too small. */
  readonly attempts: readonly (readonly string[])[];
  /** What is not as it must be at the output of an import that succeeded. */
  check(layerCase: LayerCase, outputPath: string, context: CaseContext): Promise<readonly string[]>;
}

export const CASE_SINKS: {
  readonly directory: CaseSink;
  readonly ext4: CaseSink;
} = {
  directory: {
    attempts: [["--format", "dir"]],
    check: async (layerCase, outputPath, context) => {
      const found = lstatSync(outputPath, { throwIfNoEntry: false });
      if (found?.isDirectory() !== true) return ["exit 0, but no output directory"];
      return checkRoot(layerCase, outputPath, context);
    },
  },
  ext4: {
    attempts: [
      ["--format", "ext4", "--disk_mb", "64"],
      ["--format", "ext4"],
    ],
    check: async (layerCase, outputPath, context) => {
      const found = lstatSync(outputPath, { throwIfNoEntry: false });
      if (found?.isFile() !== true) return ["exit 0, but no image file at the output"];
      const problems = await imageProblems(outputPath);
      const differences = await withMounted(outputPath, "read-only", (rootPath) =>
        checkRoot(layerCase, rootPath, context),
      );
      return [...problems, ...differences];
    },
  },
};
export type CaseSinkName = keyof typeof CASE_SINKS;

export function isCaseSinkName(name: string): name is CaseSinkName {
  return Object.hasOwn(CASE_SINKS, name);
}
