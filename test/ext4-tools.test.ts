import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { flipByte } from "./support/damaged-image.ts";
import { imageProblems } from "./support/ext4-check.ts";
import { withMounted } from "./support/loop-mount.ts";
import { mustRun } from "./support/run-program.ts";
import { scratchDirectory } from "./support/scratch.ts";

async function madeByMke2fs(): Promise<string> {
  const imagePath = join(scratchDirectory(), "image");
  await mustRun("mkfs.ext4", ["-q", "-b", "4096", imagePath, "256M"]);
  return imagePath;
}

test("e2fsck has nothing to say about an image of mke2fs", async () => {
  expect(await imageProblems(await madeByMke2fs())).toEqual([]);
});

test("a wrong checksum of a descriptor is a problem, though e2fsck exits with 0", async () => {
  const imagePath = await madeByMke2fs();
  // bg_checksum of the second group: descriptors of 64 bytes from block 1 on.
  flipByte(imagePath, 4096 + 64 + 0x1e);
  const problems = await imageProblems(imagePath);
  expect(problems.join("\n")).toContain("group descriptor checksums are invalid");
  expect(problems.join("\n")).not.toContain("exit code");
});

test("a damaged superblock is a problem", async () => {
  const imagePath = await madeByMke2fs();
  flipByte(imagePath, 1024 + 0x78);
  expect(await imageProblems(imagePath)).not.toEqual([]);
});

test("a mounted image shows its root, and is gone for everyone when its user failed", async () => {
  const imagePath = await madeByMke2fs();
  let seen = "";
  const failure = withMounted(imagePath, "read-only", (rootPath) => {
    seen = rootPath;
    expect(readdirSync(rootPath)).toEqual(["lost+found"]);
    throw new Error("the user failed");
  });
  await expect(failure).rejects.toThrow("the user failed");
  expect(() => readdirSync(seen)).toThrow("ENOENT");
  expect(await mustRun("losetup", ["--associated", imagePath])).toBe("");
});

test("what is no file system cannot be mounted, and says so", async () => {
  const imagePath = await madeByMke2fs();
  flipByte(imagePath, 1024 + 0x38);
  await expect(withMounted(imagePath, "read-only", () => undefined)).rejects.toThrow(/mount/);
});
