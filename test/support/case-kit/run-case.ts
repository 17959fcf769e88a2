import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rawBytes, type CaseContext } from "./case-bytes.ts";
import { isList, listAt, objectAt, text, type LayerCase } from "./case-json.ts";
import { writeCaseLayout } from "./case-layout.ts";
import { CASE_SINKS, type CaseSink, type CaseSinkName } from "./case-sink.ts";
import { importWithCommand, TIMEOUT_MS, type ImportCase, type ToolRun } from "./import-case.ts";
import { walkRoot } from "./root-walk.ts";

const MAX_RSS_MIB = 768;

/** Builds a case, imports it into this sink, by default with the built command line, and says what is not as it must be. */
export async function runCase(
  layerCase: LayerCase,
  sink: CaseSinkName = "directory",
  importCase: ImportCase = importWithCommand,
): Promise<readonly string[]> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-case-"));
  try {
    return await runCaseIn(layerCase, work, { sink: CASE_SINKS[sink], importCase });
  } finally {
    removeTree(work);
  }
}

async function runCaseIn(
  layerCase: LayerCase,
  work: string,
  { sink, importCase }: { readonly sink: CaseSink; readonly importCase: ImportCase },
): Promise<readonly string[]> {
  const context: CaseContext = { canaryPath: join(work, "absolute-canary") };
  const near = join(work, "near");
  const outputPath = join(near, "out");
  plantCanary(context.canaryPath);
  plantCanary(near);
  plantCanary(join(near, "out-sibling"));
  writeCaseLayout(layerCase, join(work, "layout"), context);
  const before = [listing(context.canaryPath), listing(near)];
  const problems: string[] = [];
  for (const [attempt, options] of sink.attempts.entries()) {
    const run = await importCase(work, outputPath, options);
    problems.push(...processProblems(run, layerCase));
    // A case that needs more than a small disk gets a larger one, but the refusal has to be clean too.
    const again = attempt + 1 < sink.attempts.length && run.stderr.includes("[ERR_DISK_TOO_SMALL]");
    if (again) problems.push(...leftoverProblems(outputPath));
    else {
      problems.push(...(await verdictProblems(layerCase, { run, outputPath, context, sink })));
      break;
    }
  }
  for (const name of listAt(objectAt(layerCase.fields, "expect"), "never")) {
    const path = rawBytes(name, context).toString();
    if (existsSync(path)) problems.push(`${path} came into being`);
  }
  removeTree(outputPath);
  if (listing(context.canaryPath) !== before[0]) {
    problems.push("the absolute canary directory was changed: a write left the root");
  }
  if (listing(near) !== before[1]) {
    problems.push("something next to the output was changed: a write left the root");
  }
  return problems;
}

function processProblems(run: ToolRun, { fields }: LayerCase): string[] {
  const maxRssMib = Number(fields["maxRssMiB"] ?? MAX_RSS_MIB);
  const problems: string[] = [];
  if (run.timedOut) problems.push(`did not end within ${TIMEOUT_MS / 1000} s`);
  else if (run.signal !== null) problems.push(`killed by ${run.signal}`);
  if (run.peakRssMib > maxRssMib) {
    problems.push(`peak RSS ${run.peakRssMib} MiB is over ${maxRssMib} MiB`);
  }
  return problems;
}

async function verdictProblems(
  layerCase: LayerCase,
  parts: {
    readonly run: ToolRun;
    readonly outputPath: string;
    readonly context: CaseContext;
    readonly sink: CaseSink;
  },
): Promise<readonly string[]> {
  const { run, outputPath, context, sink } = parts;
  const expect = objectAt(layerCase.fields, "expect");
  const error = expect["error"];
  const said = run.stderr.trim().slice(-300).replaceAll("\n", " ");
  if (run.exitCode === 0) {
    if (expect["tree"] === undefined)
      return [`accepted, must be refused with ${text(error ?? "")}`];
    return sink.check(layerCase, outputPath, context);
  }
  if (error === undefined) return [`refused (exit ${run.exitCode}): ${said}`];
  const problems = leftoverProblems(outputPath);
  const codes = (isList(error) ? error : [error]).map(text);
  const shown = new Set(run.stderr.match(/\bERR_[A-Z0-9_]+/g));
  if (!codes.includes("*") && !codes.some((code) => shown.has(code))) {
    problems.push(`no code of ${codes.join(", ")} on stderr: ${said}`);
  }
  return problems;
}

function leftoverProblems(outputPath: string): string[] {
  const nothing =
    !existsSync(outputPath) || (isDirectory(outputPath) && readdirSync(outputPath).length === 0);
  return nothing ? [] : ["refused, but something was left at the output"];
}

function plantCanary(path: string): void {
  mkdirSync(join(path, "dir"), { recursive: true });
  writeFileSync(join(path, "file"), "canary\n");
  writeFileSync(join(path, "dir/inner"), "canary\n");
  symlinkSync("file", join(path, "link"));
}

/** Everything of a directory that an escape could change. */
function listing(path: string): string {
  if (!isDirectory(path)) return "gone";
  const rows = [...walkRoot(path)].map(([name, { stat, sha256, target, xattrs }]) => [
    name,
    stat.mode,
    stat.uid,
    stat.gid,
    stat.isDirectory() ? 0 : stat.nlink,
    // What an importer did and took back shows in these; the directory of the output changes in every run.
    name === "." ? "" : `${stat.ino} ${stat.mtimeNs} ${stat.ctimeNs}`,
    sha256,
    target.toString("hex"),
    [...xattrs.keys()].toSorted().join(" "),
  ]);
  return rows
    .map((row) => row.map(String).join("\t"))
    .toSorted()
    .join("\n");
}

/** Trees here are deeper than PATH_MAX and have names that are no UTF-8: rm copes. */
function removeTree(path: string): void {
  spawnSync("rm", ["-rf", "--", path]);
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
