import { mustRun, runProgram } from "./run-program.ts";

/**
 * What e2fsck has to say about an ext4 image; nothing when it is sound. Its exit status alone is not enough: e2fsck 1.47.0
 * says "One or more block group descriptor checksums are invalid" and exits with 0.
 */
export async function imageProblems(imagePath: string): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await runProgram("e2fsck", ["-fn", imagePath]);
  const complaints = `${stderr}${stdout}`
    .split("\n")
    .filter((line) => line.trim() !== "" && !isOrdinary(line));
  return [...(exitCode === 0 ? [] : [`e2fsck ended with exit code ${exitCode}`]), ...complaints];
}

/** @throws Error with what e2fsck said */
export async function checkImage(imagePath: string): Promise<void> {
  const problems = await imageProblems(imagePath);
  if (problems.length > 0) throw new Error(`${imagePath}: ${problems.slice(0, 20).join("\n")}`);
}

function isOrdinary(line: string): boolean {
  return (
    /^e2fsck \d/.test(line) ||
    /^Pass [1-5]: /.test(line) ||
    /: \d+\/\d+ files \([\d.]+% non-contiguous\), \d+\/\d+ blocks$/.test(line)
  );
}

/** Grows the unmounted file system of an image as a sandbox with a bigger disk does. Blocks: of 4 KiB. */
export async function growImage(imagePath: string, sizeMib: number): Promise<void> {
  await mustRun("truncate", ["--size", `${sizeMib}M`, imagePath]);
  // resize2fs wants a check that is younger than the last mount.
  await mustRun("e2fsck", ["-fp", imagePath]);
  await mustRun("resize2fs", [imagePath]);
}
