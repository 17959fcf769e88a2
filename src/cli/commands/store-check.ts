import {
  checkStore,
  ImportError,
  printable,
  type StoreCheck,
  type StoreProblem,
  type StoreRepair,
} from "../../index.ts";
import { JSON_OPTION, type Command, type CommandIo, type ParsedArguments } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag } from "../option-values.ts";
import { asciiOnly } from "../output-stream.ts";
import { counted, formatBytes } from "../quantities.ts";

const PATH_LENGTH = 4096;
const REMEDIES: Readonly<Record<StoreProblem["remedy"], string>> = {
  repair: "tl store check --repair",
  gc: "tl store gc, or the next command",
  import: "import it again with --replace, or delete it",
  look: "look at it; rootlift leaves it alone",
};

export const storeCheckCommand: Command = {
  name: "check",
  aliases: [],
  summary: "Check that catalog and snapshots agree",
  description: [
    "Checks that the catalog is sound, that every name has its snapshot and every snapshot its record, that files have their sizes, and that nothing was left behind. Imports may go on meanwhile.",
    "With --repair it restores a catalog that is damaged or lost, from what can be read of it and from the records beside the snapshots; the damaged file is kept under another name. Root filesystems are not touched.",
  ],
  positionals: [],
  options: [
    {
      name: "repair",
      group: "What is done",
      describe: "Mend what can be mended, and remove leftovers",
    },
    {
      name: "verify",
      group: "What is done",
      describe: "Also read every root filesystem, as `tl sbx image verify` does",
    },
    { ...JSON_OPTION, describe: "Print the report as JSON on stdout" },
  ],
  examples: [
    { command: "tl store check", describe: "exits with 0 when all is well" },
    { command: "tl store check --repair", describe: "after the catalog was damaged or lost" },
  ],
  sections: [
    {
      heading: "Exit status",
      lines: [
        "0 sound; 1 there are problems, or some are left after a repair [ERR_STORE_CORRUPT], with the report on stdout all the same, or failed with another code.",
      ],
    },
  ],
  run: runCheck,
};

async function runCheck(args: ParsedArguments, io: CommandIo): Promise<void> {
  const report = await io.interruption.guard(
    async (signal) =>
      checkStore({
        ...storeOptions(args),
        repair: flag(args, "repair"),
        verify: flag(args, "verify"),
        signal,
      }),
    () => {},
    "Check again to have the report.",
  );
  const lines = flag(args, "json") ? [jsonText(report)] : reportLines(report);
  const text = `${lines.join("\n")}\n`;
  io.out.write(io.out.unicode ? text : asciiOnly(text));
  if (!report.sound) throw unsound(report);
}

function reportLines({ problems, repair, ...report }: StoreCheck): readonly string[] {
  const lines = repair === undefined ? [] : repairLines(repair);
  for (const { subject, problem, remedy } of problems) {
    const shown = printable(`${subject}: ${problem}`, PATH_LENGTH);
    lines.push(`${shown} (${REMEDIES[remedy]})`);
  }
  if (report.sound) {
    const { images, snapshots, verified, unverified = [] } = report;
    const contents = verified === undefined ? "" : `, contents of ${verified} verified`;
    const skipped = unverified.length === 0 ? "" : `, ${unverified.length} not (directories)`;
    const extent = `${counted(images, "image")}, ${counted(snapshots, "snapshot")}`;
    lines.push(`The store is sound (${extent}${contents}${skipped}).`);
  }
  return lines;
}

function repairLines(repair: StoreRepair): string[] {
  const { restored, lost, rewritten, damagedCatalog, removed, freedBytes } = repair;
  const lines: string[] = [];
  if (damagedCatalog !== undefined) {
    lines.push(`The damaged catalog is kept as ${printable(damagedCatalog, PATH_LENGTH)}.`);
  }
  for (const { name, snapshotId, formerName } of restored) {
    const why = formerName === undefined ? "" : `, as the name '${printable(formerName)}' is taken`;
    lines.push(`Restored image '${printable(name)}' (${snapshotId})${why}.`);
  }
  for (const { name, snapshotId } of lost) {
    lines.push(`Image '${printable(name)}' is lost: nothing is left of ${printable(snapshotId)}.`);
  }
  for (const id of rewritten) lines.push(`Wrote snapshot.json of ${id} anew.`);
  if (removed.length > 0) {
    lines.push(`Removed ${counted(removed.length, "leftover")} (${formatBytes(freedBytes)}).`);
  }
  if (lines.length === 0) lines.push("There was nothing to repair.");
  return lines;
}

function unsound({ home, problems }: StoreCheck): ImportError {
  const count = counted(problems.length, "problem");
  const [first] = problems;
  const mendable = problems.some(({ remedy }) => remedy === "repair" || remedy === "gc");
  return new ImportError(
    "ERR_STORE_CORRUPT",
    `the store ${printable(home, PATH_LENGTH)} has ${count}`,
    {
      hint: mendable
        ? "Mend what can be mended with: tl store check --repair"
        : `For each of them the report says what helps: ${REMEDIES[first?.remedy ?? "look"]}.`,
      details: { problems: problems.length },
    },
  );
}
