import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { imageDifferences, imageRows } from "../test/support/compare-image.ts";
import { EXT4 } from "../test/support/image-kinds.ts";
import { mke2fsSeconds } from "../test/support/mke2fs-time.ts";
import { rootRows, rowDifferences } from "../test/support/root-rows.ts";
import { mustRun } from "../test/support/run-program.ts";
import { runCommand } from "./run-command.ts";

/**
 * npm run test:lab -- REF…
 *
 * Imports each image with the built command line, as a directory and as an ext4 image, and unpacks it with skopeo and
 * umoci. Compares the directory with umoci's, with the mounted ext4 image (which e2fsck must like), and that one with what
 * `mkfs.ext4 -d` makes of umoci's directory: every path, mode, owner, time, link, device, content and xattr. For images too
 * large for `npm test`; REF has no scheme (127.0.0.1:5000/lab/app:2) and its registry speaks http on loopback. Run as root,
 * on a disk with user.* xattrs and room for the image five times.
 */
const COMMAND = resolve(import.meta.dirname, "../bin/tl.js");
/** The default of `--disk_mb`, which holds the inodes and blocks of every image of the lab. */
const DISK_MB = 10_240;

async function compare(reference: string, work: string): Promise<readonly string[]> {
  const [directory, image, theirs, theirImage] = [
    join(work, "directory"),
    join(work, "ours.img"),
    join(work, "umoci"),
    join(work, "mke2fs.img"),
  ];
  await importAs("dir", reference, { work, output: directory });
  await importAs("ext4", reference, { work, output: image });
  await unpackWithUmoci(reference, work, theirs);
  const rows = rootRows(directory, { withRoot: true });
  process.stdout.write(`${reference}: ${rows.length} objects\n`);
  const differences = [
    ...labelled("directory, umoci", rowDifferences(withoutRoot(rows), rootRows(theirs))),
    ...labelled("ext4, directory", await imageDifferences(image, EXT4, rows)),
  ];
  const features = "^resize_inode,^orphan_file,^metadata_csum_seed";
  await mustRun("mkfs.ext4", ["-q", "-d", theirs, "-O", features, theirImage, `${DISK_MB}M`]);
  const [ours, made] = [await imageRows(image, EXT4), await imageRows(theirImage, EXT4)].map(
    (found) => withoutRoot(found).map(asMke2fsKeeps),
  );
  return [
    ...differences,
    ...labelled("ext4, mkfs.ext4 -d", rowDifferences(ours ?? [], made ?? [])),
  ];
}

async function importAs(
  format: "dir" | "ext4",
  reference: string,
  { work, output }: { readonly work: string; readonly output: string },
): Promise<void> {
  const env = { ...process.env, ROOTLIFT_HOME: join(work, "home") };
  const name = ["--registered-name", "lab", "--replace"];
  const options = ["--quiet", "--no-fsync", "--format", format, "--output", output, ...name];
  const args = [COMMAND, "sbx", "image", "import", reference, ...options];
  await runCommand(process.execPath, args, { env });
}

/** umoci knows no zstd, so it gets the layers unpacked. */
async function unpackWithUmoci(reference: string, work: string, output: string): Promise<void> {
  const [plain, layout] = [join(work, "plain"), join(work, "layout")];
  const decompress = ["--src-tls-verify=false", "--dest-decompress", `docker://${reference}`];
  await runCommand("skopeo", ["copy", "-q", ...decompress, `dir:${plain}`]);
  await runCommand("skopeo", ["copy", "-q", `dir:${plain}`, `oci:${layout}:i`]);
  const image = ["--image", `${layout}:i`, output];
  await runCommand("umoci", ["--log=error", "raw", "unpack", ...image]);
}

function withoutRoot(rows: readonly string[]): readonly string[] {
  return rows.filter((row) => !row.startsWith(".\t"));
}

/** A row with what `mke2fs -d` keeps of it. */
function asMke2fsKeeps(row: string): string {
  const [path, kind, mode, owner, mtimeNs, ...rest] = row.split("\t");
  return [path, kind, mode, owner, mke2fsSeconds(BigInt(mtimeNs ?? "0")), ...rest].join("\t");
}

function labelled(label: string, lines: readonly string[]): readonly string[] {
  return lines.map((line) => `${label}: ${line}`);
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
    spawnSync("rm", ["-rf", "--", work]);
  }
}
process.stdout.write(`${references.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
