import { basename } from "node:path";
import { expect, test } from "vitest";
import { loadCases } from "./support/case-kit/case-json.ts";
import { CASE_FILES } from "./support/case-kit/chosen-cases.ts";
import { importInProcess, importWithCommand } from "./support/case-kit/import-case.ts";
import { runCase } from "./support/case-kit/run-case.ts";

test("there are layer cases to run", () => {
  expect(CASE_FILES.length).toBeGreaterThanOrEqual(26);
});

/** Of these, the command sees its like in the other files; `npm run -s cases` runs them all with it. */
const IN_PROCESS = new Set(["rules-more"]);

test.each(CASE_FILES.map((file) => [basename(file, ".json"), file]))(
  "every layer case of %s gives the right tree or the right refusal, with the built command or library",
  async (name, file) => {
    const failures: string[] = [];
    const importCase = IN_PROCESS.has(name) ? importInProcess : importWithCommand;
    for (const layerCase of loadCases(file)) {
      const problems = await runCase(layerCase, "directory", importCase);
      if (problems.length > 0) failures.push(`${layerCase.name}: ${problems.join("; ")}`);
    }
    expect(failures).toEqual([]);
  },
  300_000,
);
