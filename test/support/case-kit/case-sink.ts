import { spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { extractTar } from "../extract-tar.ts";
import { EROFS, EXT4, type ImageKind } from "../image-kinds.ts";
import type { CaseContext } from "./case-bytes.ts";
import { checkRoot } from "./case-check.ts";
import type { LayerCase } from "./case-json.ts";
import type { CaseImport } from "./import-case.ts";

/** A kind of output that cases are imported into. */
export interface CaseSink {
  /** The imports that are tried; a later one only where the disk of the one before was too small. */
  readonly attempts: readonly CaseImport[];
  /** What is not as it must be at the output of an import that succeeded. */
  check(layerCase: LayerCase, outputPath: string, context: CaseContext): Promise<readonly string[]>;
}

/** Of a disk image: what its checker says, and the mounted tree. */
function checkOfImage(kind: ImageKind): CaseSink["check"] {
  return async (layerCase, outputPath, context) => {
    const found = lstatSync(outputPath, { throwIfNoEntry: false });
    if (found?.isFile() !== true) return ["exit 0, but no image file at the output"];
    const problems = await kind.problems(outputPath);
    const differences = await kind.withMounted(outputPath, (rootPath) =>
      checkRoot(layerCase, rootPath, context),
    );
    return [...problems, ...differences];
  };
}

export const CASE_SINKS: {
  readonly directory: CaseSink;
  readonly ext4: CaseSink;
  readonly erofs: CaseSink;
  readonly tar: CaseSink;
} = {
  directory: {
    attempts: [{ format: "dir" }],
    check: async (layerCase, outputPath, context) => {
      const found = lstatSync(outputPath, { throwIfNoEntry: false });
      if (found?.isDirectory() !== true) return ["exit 0, but no output directory"];
      return checkRoot(layerCase, outputPath, context);
    },
  },
  ext4: {
    attempts: [{ format: "ext4", diskMb: 64 }, { format: "ext4" }],
    check: checkOfImage(EXT4),
  },
  erofs: { attempts: [{ format: "erofs" }], check: checkOfImage(EROFS) },
  tar: {
    attempts: [{ format: "tar" }],
    check: async (layerCase, outputPath, context) => {
      const found = lstatSync(outputPath, { throwIfNoEntry: false });
      if (found?.isFile() !== true) return ["exit 0, but no archive at the output"];
      const place = mkdtempSync(join(tmpdir(), "rootlift-case-tar-"));
      try {
        extractTar(outputPath, join(place, "root"));
        return checkRoot(layerCase, join(place, "root"), context);
      } finally {
        spawnSync("rm", ["-rf", "--", place]);
      }
    },
  },
};
export type CaseSinkName = keyof typeof CASE_SINKS;

export function isCaseSinkName(name: string): name is CaseSinkName {
  return Object.hasOwn(CASE_SINKS, name);
}
