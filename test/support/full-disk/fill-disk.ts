import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isObject } from "../../../src/oci/json-object.ts";
import { parseJson } from "../../../src/store/record-codec.ts";
import type { ProgramRun } from "../run-program.ts";
import { importArguments, rootfsPath, sha256OfFile, writeDiskImage } from "./disk-image.ts";
import { diskContents, makeDisk, type DiskSpec, type LimitedDisk } from "./limited-disk.ts";

export const COMMAND: string = resolve(import.meta.dirname, "../../../bin/tl.js");
export const FORMATS = ["dir", "ext4", "erofs", "tar"] as const;
export type Format = (typeof FORMATS)[number];

/** How many times the disk may have to grow by what the message says until it is large enough. */
const MOST_GROWTHS = 6;
/** What a failed import may leave: a store with nothing in it. */
const STORE = new Set(["catalog.db", "ingest", "snapshots"].map((name) => `home/${name}`));
STORE.add("home");
/** Blocks that a file system takes for its own lists of blocks and names. */
const OWN_KIB = 64;

/** What became of one disk: where it was full first, and how often it had to grow. */
export interface FilledDisk {
  readonly spec: DiskSpec;
  readonly format: Format;
  /** Of the first import; undefined when it succeeded. */
  readonly failure: string | undefined;
  readonly growths: number;
  readonly problems: readonly string[];
}

/** Imports of one image, and what they must come to. */
export interface DiskFilling {
  /** An import into a disk, which grows by what is said to be missing until the import succeeds; nothing may be left each time. */
  fill(spec: DiskSpec, format: Format): Promise<FilledDisk>;
  close(): void;
}

export async function startDiskFilling(command: string = COMMAND): Promise<DiskFilling> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-full-"));
  const layout = join(work, "image");
  await writeDiskImage(layout);
  const expected = new Map<Format, string>();
  const parts = { work, layout, command, expected };
  const filling = {
    fill: (spec: DiskSpec, format: Format) => fill(parts, spec, format),
    close: () => rmSync(work, { recursive: true, force: true }),
  };
  try {
    for (const format of FORMATS) await fill(parts, { kind: "ext4", sizeKib: 1 << 16 }, format);
  } catch (error) {
    filling.close();
    throw error;
  }
  return filling;
}

interface Parts {
  readonly work: string;
  readonly layout: string;
  readonly command: string;
  /** Digest of the root filesystem; of the first import, which had room enough. */
  readonly expected: Map<Format, string>;
}

async function fill(parts: Parts, spec: DiskSpec, format: Format): Promise<FilledDisk> {
  let disk = await makeDisk(join(parts.work, "disk"), spec);
  const problems: string[] = [];
  let failure: string | undefined;
  let growths = 0;
  try {
    const { usedKib } = diskContents(disk.rootPath);
    for (let now = spec; ; growths += 1) {
      const run = await importInto(disk, parts, format);
      if (run.exitCode === 0) {
        problems.push(...(await finishedProblems(disk, parts, { format, run })));
        break;
      }
      const told = failureOf(run, disk.mountPoint);
      failure ??= told.text;
      problems.push(...told.problems, ...leftoverProblems(disk, usedKib));
      if (problems.length > 0) break;
      if (growths === MOST_GROWTHS) {
        problems.push(`still too small after ${growths} growths: ${told.text}`);
        break;
      }
      now = grown(now, told);
      disk = await disk.grow(now);
    }
  } finally {
    await disk.remove();
  }
  return { spec, format, failure, growths, problems };
}

function importInto(disk: LimitedDisk, parts: Parts, format: Format): Promise<ProgramRun> {
  return tl(disk, parts, importArguments(parts.layout, format));
}

function tl(disk: LimitedDisk, { command }: Parts, args: readonly string[]): Promise<ProgramRun> {
  const home = join(disk.mountPoint, "home");
  return disk.run(process.execPath, [command, ...args], { HOME: home, ROOTLIFT_HOME: home });
}

/** A little more than was asked for: a file system keeps a part of what it grows by. */
function grown(spec: DiskSpec, { missingBytes, missingInodes }: Told): DiskSpec {
  const sizeKib = Math.ceil(spec.sizeKib + (missingBytes * 1.05) / 1024) + 16;
  if (missingInodes === 0 || spec.inodes === undefined) return { ...spec, sizeKib };
  // ext4 gets more of them with its next groups of blocks only.
  if (spec.kind === "ext4") return { ...spec, sizeKib: sizeKib + (1 << 14) };
  return { ...spec, sizeKib, inodes: spec.inodes + missingInodes };
}

interface Told {
  readonly text: string;
  readonly missingBytes: number;
  readonly missingInodes: number;
  readonly problems: readonly string[];
}

function failureOf({ exitCode, stdout, stderr }: ProgramRun, mountPoint: string): Told {
  const lines = stderr.trimEnd().split("\n");
  const text = lines[0] ?? "";
  const problems: string[] = [];
  const json = parseJson(lines.at(-1) ?? "");
  const error = isObject(json) && isObject(json["error"]) ? json["error"] : {};
  const details = isObject(error["details"]) ? error["details"] : {};
  const missingBytes = Number(details["missingBytes"] ?? 0);
  const missingInodes = Number(details["missingInodes"] ?? 0);
  if (exitCode !== 1) problems.push(`exit code ${exitCode}`);
  if (stdout !== "") problems.push(`stdout: ${stdout}`);
  if (error["code"] !== "ERR_DISK_FULL") problems.push(`not ERR_DISK_FULL: ${stderr}`);
  if (!text.includes(mountPoint)) problems.push(`does not say where: ${text}`);
  if (!(missingBytes > 0 || missingInodes > 0)) problems.push(`does not say how much: ${text}`);
  if (!/about \d+ (KiB|MiB|inodes) more are needed/.test(text)) problems.push(`no number: ${text}`);
  return { text, missingBytes, missingInodes, problems };
}

function leftoverProblems({ rootPath }: LimitedDisk, emptyKib: number): readonly string[] {
  const { paths, usedKib, listedKib } = diskContents(rootPath);
  const left = paths.filter((path) => !STORE.has(path));
  const lost = usedKib - emptyKib - listedKib;
  return [
    ...(left.length > 0 ? [`left behind: ${left.slice(0, 5).join(", ")}`] : []),
    ...(lost > OWN_KIB ? [`${lost} KiB are taken by nothing that is there`] : []),
  ];
}

async function finishedProblems(
  disk: LimitedDisk,
  parts: Parts,
  { format, run }: { readonly format: Format; readonly run: ProgramRun },
): Promise<readonly string[]> {
  const record = parseJson(run.stdout);
  const snapshotId = isObject(record) ? String(record["snapshotId"]) : "";
  const home = join(disk.rootPath, "home");
  const digest =
    format === "dir"
      ? await digestOfDirectory(disk, parts)
      : await sha256OfFile(rootfsPath(home, snapshotId, format));
  const expected = parts.expected.get(format) ?? digest;
  parts.expected.set(format, expected);
  const problems = digest === expected ? [] : ["the root filesystem is not what it is elsewhere"];
  if (run.stderr !== "") problems.push(`stderr of a success: ${run.stderr}`);
  const check = await tl(disk, parts, ["store", "check", "--verify"]);
  if (check.exitCode !== 0) problems.push(`store check: ${check.stdout}${check.stderr}`);
  return problems;
}

async function digestOfDirectory(disk: LimitedDisk, parts: Parts): Promise<string> {
  const archive = join(parts.work, "exported.tar");
  const run = await tl(disk, parts, ["sbx", "image", "export", "app", "-o", archive, "--replace"]);
  return run.exitCode === 0 ? sha256OfFile(archive) : run.stderr;
}
