import { execFileSync } from "node:child_process";
import { writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDirectoryReader } from "../../../src/sink/directory/directory-reader.ts";
import { tarPieces } from "../../../src/sink/tar/tar-pieces.ts";
import { assortedEntries } from "../../support/sink-contract.ts";
import { joinPieces, memoryReader } from "../../support/memory-reader.ts";
import { scratchDirectory } from "../../support/scratch.ts";

test("x", async () => {
  const d = scratchDirectory();
  const tar = join(d, "a.tar");
  const want = joinPieces(tarPieces(memoryReader(assortedEntries()), () => {}));
  writeFileSync(tar, want);
  mkdirSync(join(d, "out"));
  execFileSync(
    "tar",
    [
      "-xpf",
      tar,
      "--xattrs",
      "--xattrs-include=*",
      "--numeric-owner",
      "--same-owner",
      "-C",
      join(d, "out"),
    ],
    { stdio: "ignore" },
  );
  const reader = await openDirectoryReader(join(d, "out"), new AbortController().signal);
  const got = joinPieces(tarPieces(reader, () => {}));
  await reader.close();
  expect(got.equals(want)).toBe(true);
});
