import {
  benchSandboxImage,
  printable,
  type BenchSandboxImageOptions,
  type SandboxImageBenchmark,
} from "../../index.ts";
import { JSON_OPTION, type Command, type CommandIo, type ParsedArguments } from "../command.ts";
import { jsonText } from "../json-text.ts";
import { flag, given, positional, positiveInteger } from "../option-values.ts";
import { asciiOnly, type OutputStream } from "../output-stream.ts";
import { timingsText } from "../timings-text.ts";
import {
  LIMIT_OPTION,
  LIMITS_SECTION,
  POSITIONAL,
  PROGRESS_OPTIONS,
  PULL_OPTIONS,
  pullOptions,
  TRACE_OPTION,
} from "./pull-options.ts";
import { runWatched } from "./watched-pull.ts";

export const benchCommand: Command = {
  name: "bench",
  aliases: [],
  summary: "Measure how fast an image can be pulled and unpacked",
  description: [
    "Pulls and unpacks an image as `import` does, with the same connections, threads, checks and limits, but keeps nothing: no store, no name, nothing written. Then prints what each layer and stage took, and which was the bottleneck.",
    "Whatever fails an import on its way, such as a wrong digest, fails this too.",
  ],
  positionals: [POSITIONAL],
  options: [
    {
      name: "runs",
      value: "N",
      group: "What is measured",
      describe: "Pull it so many times, each as cold as the first [default: 1]",
    },
    ...PULL_OPTIONS,
    LIMIT_OPTION,
    { ...JSON_OPTION, describe: "Print the figures as JSON on stdout" },
    ...PROGRESS_OPTIONS,
    TRACE_OPTION,
  ],
  examples: [
    { command: "tl sbx image bench alpine:3.20", describe: "one pull" },
    {
      command: "tl sbx image bench ghcr.io/org/app:v2 --runs 5 --json | jq '.runs[].durationMs'",
      describe: "five, and how long each took",
    },
    {
      command: "tl sbx image bench python:3.12 --trace pull.json",
      describe: "with a trace for ui.perfetto.dev",
    },
  ],
  sections: [LIMITS_SECTION],
  run: runBench,
};

async function runBench(args: ParsedArguments, io: CommandIo): Promise<void> {
  const reference = positional(args, "IMAGE_REFERENCE");
  const options = benchOptions(args);
  const result = await runWatched(
    args,
    io,
    (watched) => benchSandboxImage(reference, { ...options, ...watched }),
    "Bench again to have the figures; nothing was kept.",
  );
  io.out.write(flag(args, "json") ? `${jsonText(result)}\n` : benchText(result, io.out));
}

/** @throws UsageError */
function benchOptions(args: ParsedArguments): BenchSandboxImageOptions {
  return { ...pullOptions(args), ...given("runs", positiveInteger(args, "runs")) };
}

function benchText(
  { reference, platform, runs }: SandboxImageBenchmark,
  out: OutputStream,
): string {
  const title = `${printable(reference)} (${printable(platform)})`;
  const parts = runs.map((timings, run) => {
    const which = runs.length === 1 ? "" : `, run ${run + 1} of ${runs.length}`;
    return `${title}${which}: ${timingsText(timings, out)}`;
  });
  const text = parts.join("\n");
  return out.unicode ? text : asciiOnly(text);
}
