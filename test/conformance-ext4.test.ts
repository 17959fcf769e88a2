import { basename } from "node:path";
import { expect, test } from "vitest";
import { loadCases, type LayerCase } from "./support/case-kit/case-json.ts";
import { CASE_FILES, isAccepted, isLarge } from "./support/case-kit/chosen-cases.ts";
import { importInProcess } from "./support/case-kit/import-case.ts";
import { runCase } from "./support/case-kit/run-case.ts";

/**
 * All that are accepted, but the largest, whose like has a test beside the ext4 writer. A refusal comes from before the sink, and
 * the directory half of the conformance tests sees each one: here one of each file. `npm run -s cases -- --sink ext4 FILE…`
 * runs them all, with the built command line.
 */
function chosenCases(file: string): readonly LayerCase[] {
  const small = loadCases(file).filter((layerCase) => !isLarge(layerCase));
  const accepted = small.filter(isAccepted);
  return [...accepted, ...small.filter((layerCase) => !isAccepted(layerCase)).slice(0, 1)];
}

test("every file has cases that are run here", () => {
  expect(CASE_FILES.filter((file) => chosenCases(file).length === 0)).toEqual([]);
});

test.each(CASE_FILES.map((file) => [basename(file, ".json"), file]))(
  "every layer case of %s makes a clean ext4 image with the right tree, or the right refusal",
  async (_name, file) => {
    const failures: string[] = [];
    for (const layerCase of chosenCases(file)) {
      const problems = await runCase(layerCase, "ext4", importInProcess);
      if (problems.length > 0) failures.push(`${layerCase.name}: ${problems.join("; ")}`);
    }
    expect(failures).toEqual([]);
  },
  300_000,
);
