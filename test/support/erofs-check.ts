import { runProgram } from "./run-program.ts";

/**
 * What fsck.erofs has to say about an image; nothing when it is sound. Its exit status alone is not enough: version 1.5 says
 * that the superblock's checksum does not match and exits with 0.
 */
export async function erofsProblems(imagePath: string): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await runProgram("fsck.erofs", ["--extract", imagePath]);
  const complaints = `${stderr}${stdout}`
    .split("\n")
    .filter((line) => line.trim() !== "" && !isOrdinary(line));
  return [
    ...(exitCode === 0 ? [] : [`fsck.erofs ended with exit code ${exitCode}`]),
    ...complaints,
  ];
}

function isOrdinary(line: string): boolean {
  return /No error(s)? found/.test(line);
}

/** @throws Error with what fsck.erofs said */
export async function checkErofs(imagePath: string): Promise<void> {
  const problems = await erofsProblems(imagePath);
  if (problems.length > 0) throw new Error(`${imagePath}: ${problems.slice(0, 20).join("\n")}`);
}
