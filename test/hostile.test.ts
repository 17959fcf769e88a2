import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { hostileInputs } from "./support/hostile/hostile-inputs.ts";
import { writeHostileLayout } from "./support/hostile/hostile-layout.ts";
import { importHostile, outcomeOf, problemOf } from "./support/hostile/import-hostile.ts";
import { scratchDirectory } from "./support/scratch.ts";

const COMMAND = resolve(import.meta.dirname, "../bin/tl.js");

/** Those that say something at a fraction of their size; all of them, in full: `npm run test:hostile`. */
test.each([
  ["10 GiB of zeros, gzip, limits raised", 0.01, "ext4"],
  ["100,000 xattrs on one file", 1, "dir"],
  ["1,000,000 empty files", 0.005, "ext4"],
  ["60 kB of zeros in xattrs on each of 10,000 files", 0.3, "ext4"],
  ["1,000,000 hard links to 20 files", 0.005, "dir"],
  ["10,000 nested directories", 0.2, "dir"],
  ["a manifest of 10,000 layers", 1, "ext4"],
  ["1,000 layers of one entry", 0.1, "ext4"],
])(
  "%s (%d of it) become the right tree or refusal, in bounded memory",
  async (name, scale, format) => {
    const work = scratchDirectory();
    const input = hostileInputs(scale).find((candidate) => candidate.name === name);
    if (input === undefined) throw new Error(`there is no input "${name}"`);
    writeHostileLayout(join(work, "layout"), input.image);
    const run = await importHostile(input, format, { work, command: COMMAND });
    const { facts } = outcomeOf(run);
    expect(facts).toEqual(input.expected);
    expect(problemOf(run, facts, input.expected)).toBeUndefined();
  },
);
