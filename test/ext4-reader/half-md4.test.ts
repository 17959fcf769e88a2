import { join } from "node:path";
import { expect, test } from "vitest";
import { createHalfMd4 } from "../../src/ext4-reader/half-md4.ts";
import { mustRun } from "../support/run-program.ts";
import { scratchDirectory } from "../support/scratch.ts";

const SEED_UUID = "6a1c1d7e-0000-4000-8000-000000000002";
const SEED_BYTES = Buffer.from(SEED_UUID.replaceAll("-", ""), "hex");
const SEED = [0, 4, 8, 12].map((at) => SEED_BYTES.readUInt32LE(at));

// The vectors are what `debugfs -R 'dx_hash -h half_md4 -s UUID NAME'` answers.
test.each([
  [Buffer.from("abc"), 0x0c02d1ce, 0x907cfd95],
  [Buffer.from("entry-00001"), 0xc85d5c5e, 0x24bd9614],
  [Buffer.concat([Buffer.from("ünïcödé-文件-1"), Buffer.of(0xff)]), 0x97bb0396, 0x7f99b752],
  [Buffer.alloc(100, "n"), 0xfe113eb8, 0x7a02e236],
])("the hash of %s", (name, major, minor) => {
  expect(createHalfMd4(SEED, false)(name, 0, name.length)).toEqual({ major, minor });
});

test("names of every length hash as debugfs hashes them", async () => {
  const hash = createHalfMd4(SEED, false);
  const image = join(scratchDirectory(), "image");
  await mustRun("mkfs.ext4", ["-q", "-F", image, "4M"]);
  for (const length of [1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 255]) {
    const name = "abcdefghijklmnopqrstuvwxyz".repeat(10).slice(0, length);
    const answer = await mustRun("debugfs", [
      "-R",
      `dx_hash -h half_md4 -s ${SEED_UUID} ${name}`,
      image,
    ]);
    const [, major, minor] = /0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/.exec(answer) ?? [];
    expect(hash(Buffer.from(name), 0, length)).toEqual({
      major: Number.parseInt(major ?? "", 16),
      minor: Number.parseInt(minor ?? "", 16),
    });
  }
});

test("a part of a buffer is hashed as the name that it is, and bytes may count as unsigned", () => {
  const name = Buffer.from("xxname\u00e9xx", "latin1");
  const signed = createHalfMd4(SEED, false);
  expect(signed(name, 2, 7)).toEqual(signed(Buffer.from(name.subarray(2, 7)), 0, 5));
  expect(createHalfMd4(SEED, true)(name, 2, 7)).not.toEqual(signed(name, 2, 7));
  expect(createHalfMd4(SEED, true)(name, 2, 6)).toEqual(signed(name, 2, 6));
});
