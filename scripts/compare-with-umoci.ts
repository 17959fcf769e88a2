import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { rootRows, rowDifferences } from "../test/support/root-rows.ts";
import { runCommand } from "./run-command.ts";

/**
 * npm run test:lab -- REF…
 *
 * Imports each image with the built command line and unpacks it with skopeo and umoci, and compares the two root
 * directories: every path, mode, owner, time, link, device, content and xattr. For images too large for `npm test`; REF has
 * no scheme (127.0.0.1:5000/lab/app:2) and its registry speaks http on loopback. Run as root, on a disk with user.* xattrs.
 */
const COMMAND = resolve(import.meta.dirname, "../bin/tl.js");

async function compare(reference: string, work: string): Promise<readonly string[]> {
  const [ours, layout, theirs] = ["ours", "layout", "theirs"].map((name) => join(work, name));
  const env = { ...process.env, ROOTLIFT_HOME: join(work, "home") };
  const options = ["--quiet", "--format", "dir", "--no-fsync", "--output", String(ours)];
  await runCommand(process.execPath, [COMMAND, "sbx", "image", "import", reference, ...options], {
    env,
  });
  // umoci knows no zstd, so it gets the layers unpacked.
  const plain = join(work, "plain");
  const decompress = ["--src-tls-verify=false", "--dest-decompress", `docker://${reference}`];
  await runCommand("skopeo", ["copy", "-q", ...decompress, `dir:${plain}`]);
  await runCommand("skopeo", ["copy", "-q", `dir:${plain}`, `oci:${layout}:i`]);
  await runCommand("umoci", [
    "--log=error",
    "raw",
    "unpack",
    "--image",
    `${layout}:i`,
    String(theirs),
  ]);
  const rows = rootRows(String(ours));
  process.stdout.write(`${reference}: ${rows.length} objects\n`);
  return rowDifferences(rows, rootRows(String(theirs)));
}

const references = process.argv.slice(2);
if (references.length === 0) throw new Error("npm run test:lab -- REF…: no reference given");
let failed = 0;
for (const reference of references) {
  const work = mkdtempSync(join(tmpdir(), "rootlift-lab-"));
  try {
    const differences = await compare(reference, work);
    if (differences.length > 0) failed += 1;
    for (const line of differences.slice(0, 50)) process.stdout.write(`${line}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
process.stdout.write(`${references.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
