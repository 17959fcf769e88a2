import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

const COPIES = new URL("../testdata/corpus", import.meta.url).pathname;
/** Where the corpora come from; beside the repository on the machines that develop it, nowhere else. */
const ORIGINALS = new URL("../../shared/corpus", import.meta.url).pathname;

function filesIn(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}

test("testdata/corpus holds tables and layer cases", () => {
  expect(filesIn(COPIES)).toContain("references.json");
  expect(filesIn(COPIES)).toContain(join("layers", "whiteouts.json"));
});

test("testdata/corpus is the corpus beside the repository, byte for byte, where there is one", () => {
  const originals = existsSync(ORIGINALS) ? ORIGINALS : COPIES;
  expect(filesIn(COPIES)).toEqual(filesIn(originals));
  const different = filesIn(COPIES).filter(
    (file) => !readFileSync(join(COPIES, file)).equals(readFileSync(join(originals, file))),
  );
  expect(different).toEqual([]);
});

test("testdata/README.md says where every file comes from", () => {
  const readme = readFileSync(new URL("../testdata/README.md", import.meta.url), "utf8");
  expect(filesIn(COPIES).filter((file) => !readme.includes(`\`corpus/${file}\``))).toEqual([]);
});
