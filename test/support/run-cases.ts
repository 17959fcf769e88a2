import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { loadCases, type LayerCase } from "./case-kit/case-json.ts";
import { isCaseSinkName, type CaseSinkName } from "./case-kit/case-sink.ts";
import { runCase } from "./case-kit/run-case.ts";

/**
 * npm run -s cases -- [--sink directory|ext4|erofs|tar] [--codes] FILE…
 *
 * Runs layer case files (testdata/README.md says their format) with the built command line: a line a failure, last
 * `N passed, N failed`; exit status 1 when any failed. A refusal must print the code that the case expects: that is what
 * `--codes` asks of other runners of these files, and here always so. Images of the sinks ext4 and erofs are checked by e2fsck and
 * fsck.erofs and mounted, archives of the sink tar unpacked by GNU tar: all as root.
 */
const LANES = 2;
const USAGE = "usage: npm run -s cases -- [--sink directory|ext4|erofs|tar] [--codes] FILE…";

async function runCases(cases: readonly LayerCase[], sink: CaseSinkName): Promise<number> {
  const queue = [...cases];
  let failed = 0;
  async function lane(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const problems = await problemsOf(next, sink);
      if (problems.length === 0) continue;
      failed += 1;
      process.stdout.write(`FAIL ${next.file} ${next.name}: ${problems.slice(0, 8).join("; ")}\n`);
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane));
  return failed;
}

/** A case that cannot even be built has failed, whatever the reason. */
async function problemsOf(layerCase: LayerCase, sink: CaseSinkName): Promise<readonly string[]> {
  try {
    return await runCase(layerCase, sink);
  } catch (error) {
    return [`cannot be run: ${String(error)}`];
  }
}

/** @throws Error with what is wrong about the arguments */
function parseArguments(args: readonly string[]): {
  readonly files: readonly string[];
  readonly sink: CaseSinkName;
} {
  const files: string[] = [];
  let sink: CaseSinkName = "directory";
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? "";
    if (argument === "--sink") {
      at += 1;
      const name = args[at] ?? "";
      if (!isCaseSinkName(name)) {
        throw new Error(`there is no sink "${name}" to test, only directory, ext4, erofs and tar`);
      }
      sink = name;
    } else if (argument.startsWith("-") && argument !== "--codes") {
      throw new Error(`there is no option "${argument}"; ${USAGE}`);
    } else if (argument !== "--codes") files.push(resolve(argument));
  }
  if (files.length > 0) return { files, sink };
  throw new Error(`no case file given; ${USAGE}`);
}

async function main(): Promise<number> {
  const { files, sink } = parseArguments(process.argv.slice(2));
  if (!existsSync(resolve(import.meta.dirname, "../../dist/main.js"))) {
    throw new Error("the command line is not built: npm run build");
  }
  const cases: LayerCase[] = [];
  let unreadable = 0;
  for (const file of files) {
    try {
      cases.push(...loadCases(file));
    } catch (error) {
      unreadable += 1;
      process.stdout.write(`FAIL ${String(error)}\n`);
    }
  }
  const failed = (await runCases(cases, sink)) + unreadable;
  process.stdout.write(`${cases.length + unreadable - failed} passed, ${failed} failed\n`);
  return failed > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`cases: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
