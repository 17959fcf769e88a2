import { appendFileSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../case-kit/case-json.ts";
import { writeCaseLayout } from "../case-kit/case-layout.ts";
import { imageDifferences, imageRows } from "../compare-image.ts";
import { growImage, imageProblems } from "../ext4-check.ts";
import { EXT4 } from "../image-kinds.ts";
import { withMounted } from "../loop-mount.ts";
import { setRawXattr } from "../read-directory.ts";
import { mustRun, runProgram } from "../run-program.ts";
import { importLayout } from "./import-image-file.ts";

const MIB = 2 ** 20;
/** The default of `--disk_mb`. */
const DISK_MIB = 10_240;
/** 300 GiB: 2,400 groups, whose descriptors take 38 blocks where the image came with 2. */
const MORE_DESCRIPTORS_MIB = 300 * 1024;

/**
 * What a sandbox does with its disk: writes, deletes, makes many files, changes attributes; by the kernel, unmounted
 * afterwards. It must hold `/wide`, a directory of many names, and `/tree`, which is deleted.
 * @returns what e2fsck has to say afterwards, and what is not there as it was written
 */
async function liveIn(imagePath: string, newFiles: number): Promise<readonly string[]> {
  const problems: string[] = [];
  await withMounted(imagePath, "read-write", (rootPath) => {
    const wide = join(rootPath, "wide");
    const before = readdirSync(wide).length;
    for (let n = 0; n < newFiles; n++) writeFileSync(join(wide, `new-${n}`), "");
    for (let n = 0; n < newFiles; n += 3) rmSync(join(wide, `new-${n}`));
    const expected = before + newFiles - Math.ceil(newFiles / 3);
    const { length } = readdirSync(wide);
    if (length !== expected) problems.push(`${length} names where there must be ${expected}`);
    rmSync(join(rootPath, "tree"), { recursive: true });
    for (const [n, name] of readdirSync(wide).slice(0, 500).entries()) {
      appendFileSync(join(wide, name), `appended ${n}\n`);
      if (n % 2 === 0) setRawXattr(join(wide, name), "user.new", Buffer.from("by the sandbox"));
    }
    mkdirSync(join(rootPath, "made", "by", "the", "kernel"), { recursive: true });
    writeFileSync(join(rootPath, "made", "large"), Buffer.alloc(20 * MIB, "large"));
  });
  problems.push(...(await imageProblems(imagePath)));
  await withMounted(imagePath, "read-only", (rootPath) => {
    if (lstatSync(join(rootPath, "made", "large")).size !== 20 * MIB) problems.push("lost: large");
    if (readdirSync(rootPath).includes("tree")) problems.push("a deleted directory is back");
  });
  return problems;
}

/** Grows an image and says what is then wrong with it: its tree must be the same. */
async function problemsAfterGrowing(
  imagePath: string,
  sizeMib: number,
): Promise<readonly string[]> {
  const before = await imageRows(imagePath, EXT4);
  await growImage(imagePath, sizeMib);
  const blocks = /^Block count:\s+(\d+)$/m.exec(await mustRun("dumpe2fs", ["-h", imagePath]))?.[1];
  const grown = Number(blocks) * 4096 === sizeMib * MIB ? [] : [`it has ${blocks} blocks`];
  return [...grown, ...(await imageDifferences(imagePath, EXT4, before))];
}

/** An image with something of everything that a sandbox then works with: imported, lived in, grown twice. */
export async function checkAfterLife(
  work: string,
  size: { readonly newFiles: number; readonly wideNames: number },
): Promise<readonly string[]> {
  writeCaseLayout(
    {
      name: "after-life",
      file: "",
      fields: { layers: [{ entries: livelyEntries(size.wideNames) }] },
    },
    join(work, "layout"),
    { canaryPath: work },
  );
  const imagePath = join(work, "image");
  await importLayout(work, imagePath, { format: "ext4" });
  const problems = [
    ...(await problemsOfPreening(imagePath)),
    ...(await liveIn(imagePath, size.newFiles)),
  ];
  for (const sizeMib of [2 * DISK_MIB, MORE_DESCRIPTORS_MIB]) {
    problems.push(...(await problemsAfterGrowing(imagePath, sizeMib)));
  }
  return problems;
}

function livelyEntries(wideNames: number): readonly Json[] {
  // Two inodes with the same attributes share their block; one of them is changed by the sandbox.
  const xattrs = { "user.shared": { fill: "shared", count: 100 } };
  return [
    { type: "file", path: "wide/{i}-of-many-names", content: "{i}", repeat: wideNames, xattrs },
    { type: "file", path: "tree/{i}/leaf", content: "{i}", repeat: 2000 },
    { type: "file", path: "large", fill: "0123456789abcdef", size: 2 ** 20 },
    { type: "symlink", path: "link", linkname: "large" },
    { type: "hardlink", path: "again", linkname: "large" },
  ];
}

/** What `e2fsck -p` does at every boot must find nothing to do: only the superblock, with the time of the check, changes. */
async function problemsOfPreening(imagePath: string): Promise<readonly string[]> {
  const before = await imageSum(imagePath);
  const { exitCode, stdout, stderr } = await runProgram("e2fsck", ["-fp", imagePath]);
  const problems = exitCode === 0 ? [] : [`e2fsck -fp ended with ${exitCode}: ${stdout}${stderr}`];
  return before === (await imageSum(imagePath)) ? problems : [...problems, "e2fsck -fp wrote"];
}

/** Of the first GiB, without the superblock: there lies all that an image of little data has. */
async function imageSum(imagePath: string): Promise<string> {
  return mustRun("sh", ["-c", 'tail -c +2049 "$1" | head -c 1G | sha256sum', "sh", imagePath]);
}
