import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProgram } from "./support/run-program.ts";
import { scratchDirectory } from "./support/scratch.ts";

const PROGRAM = join(import.meta.dirname, "support/run-cases.ts");

test("the case runner finds a wrong tree and, with --codes, a refusal with another code", async () => {
  const file = join(scratchDirectory(), "cases.json");
  const entry = { path: "a", type: "file", content: "x" };
  const escape = { ...entry, path: "../a" };
  writeFileSync(
    file,
    JSON.stringify({
      cases: [
        { name: "right", layers: [{ entries: [entry] }], expect: { tree: { a: entry } } },
        { name: "tree", layers: [{ entries: [entry] }], expect: { tree: { b: entry } } },
        { name: "code", layers: [{ entries: [escape] }], expect: { error: "ERR_LINK_LOOP" } },
      ],
    }),
  );
  const run = await runProgram(process.execPath, [PROGRAM, "--sink", "directory", "--codes", file]);
  expect(run).toMatchObject({ exitCode: 1, stderr: "" });
  expect(run.stdout).toMatch(/FAIL cases\.json tree: .*a: must not exist/);
  expect(run.stdout).toMatch(/FAIL cases\.json code: no code of ERR_LINK_LOOP on stderr/);
  expect(run.stdout).toMatch(/^1 passed, 2 failed$/m);
});
