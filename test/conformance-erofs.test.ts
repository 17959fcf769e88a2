import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { openErofsImage } from "../src/erofs-reader/erofs-image.ts";
import { checkObjects } from "./support/case-kit/case-check.ts";
import { loadCases, type LayerCase } from "./support/case-kit/case-json.ts";
import { CASE_FILES, isAccepted, isLarge, isRefused } from "./support/case-kit/chosen-cases.ts";
import { writeCaseErofs } from "./support/case-kit/write-case-erofs.ts";
import { erofsProblems } from "./support/erofs-check.ts";
import { seenInImage } from "./support/image-rows.ts";
import { scratchDirectory } from "./support/scratch.ts";

/**
 * All layer cases that must be accepted, but the largest. A refusal comes from before the sink, and the other conformance tests see
 * each one. `npm run -s cases -- --sink erofs FILE…` mounts the images of all, imported by the built command line.
 */
function chosenCases(file: string): readonly LayerCase[] {
  return loadCases(file).filter(
    (layerCase) => isAccepted(layerCase) && !isRefused(layerCase) && !isLarge(layerCase),
  );
}

test("every file has cases that are run here", () => {
  expect(CASE_FILES.filter((file) => chosenCases(file).length === 0)).toEqual([]);
});

test.each(CASE_FILES.map((file) => [basename(file, ".json"), file]))(
  "every layer case of %s that must be accepted is the right tree in an EROFS image that fsck.erofs likes",
  async (_name, file) => {
    const work = scratchDirectory();
    const context = { canaryPath: join(work, "absolute-canary") };
    const imagePath = join(work, "image");
    const failures: string[] = [];
    for (const layerCase of chosenCases(file)) {
      await writeCaseErofs(layerCase, imagePath, context);
      const seen = await seenInImage(await openErofsImage(imagePath));
      const problems = [
        ...(await erofsProblems(imagePath)),
        ...checkObjects(layerCase, seen, context),
      ];
      if (problems.length > 0) failures.push(`${layerCase.name}: ${problems.join("; ")}`);
      rmSync(imagePath);
    }
    expect(failures).toEqual([]);
  },
);
