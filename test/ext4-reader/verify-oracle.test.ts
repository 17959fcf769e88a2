import { copyFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { verifyVolume } from "../../src/ext4-reader/verify/verify-volume.ts";
import { imageProblems } from "../support/ext4-check.ts";
import { debugfsWrite } from "../support/ext4/damage-tools.ts";
import { writeImage } from "../support/ext4-image.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { directory, file } from "../support/sound-image.ts";

const NEVER = new AbortController().signal;
const RUNS = 60;

/** Of an inode, fields whose every value one of the two checks may have an opinion on. */
const field = fc.constantFrom(
  "mode",
  "links_count",
  "size",
  "blocks",
  "dtime",
  "file_acl",
  "extra_isize",
  "generation",
  "uid",
  "mtime",
  "block[0]",
  "block[2]",
  "block[3]",
  "block[4]",
  "block[5]",
);
const value = fc.oneof(
  fc.nat(10),
  fc.nat(5000),
  fc.constantFrom(0o40755, 0o100644, 0o120777, 0o20644, 4096, 8192, 0xffff, 0xf30a, 0x10001),
);
/** The root, lost+found, and what the image holds. */
const inode = fc.oneof(fc.constantFrom(2, 11), fc.integer({ min: 12, max: 19 }));

const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(inode, field, value)
      .map(([number, name, to]) => `sif <${number}> ${name} ${to}`),
  },
  { weight: 1, arbitrary: fc.nat(4095).map((block) => `setb ${block + 1}`) },
  { weight: 1, arbitrary: fc.nat(4094).map((block) => `freeb ${block + 1}`) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 1000 }).map((number) => `seti <${number}>`) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 30 }).map((number) => `freei <${number}>`) },
);

/** e2fsck mends these without a word, or does not look. */
const STRICTER: readonly RegExp[] = [/^it is a (character-device|fifo) of \d+ bytes$/];

test("whatever debugfs changes, our check finds fault when e2fsck does, and only then", async () => {
  const place = scratchDirectory();
  const soundPath = join(place, "sound");
  writeImage(soundPath, [
    file("a", "a".repeat(10_000)),
    file("b", "b"),
    { path: "link", type: "symlink", target: "to" },
    { path: "fifo", type: "fifo" },
    { path: "null", type: "character", device: [1, 3] },
    directory("d/e"),
    { ...file("d/attributes"), xattrs: { "user.large": Buffer.alloc(500) } },
  ]);
  const imagePath = join(place, "image");
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 2 }), async (changes) => {
      copyFileSync(soundPath, imagePath);
      await debugfsWrite(imagePath, changes);
      const theirs = await imageProblems(imagePath);
      const { damage } = await verifyVolume(imagePath, { signal: NEVER });
      const faults =
        theirs.length > 0
          ? damage
          : damage.filter(({ problem }) => !STRICTER.some((known) => known.test(problem)));
      expect([faults.length > 0, changes, faults]).toEqual([theirs.length > 0, changes, faults]);
    }),
    { numRuns: RUNS },
  );
});
