import { measureStore, printable, type DiskUsage, type StoreUsage } from "../../index.ts";
import { JSON_OPTION, type Command } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag } from "../option-values.ts";
import { asciiOnly, type OutputStream } from "../output-stream.ts";
import { formatBytes } from "../quantities.ts";
import { tableLines } from "../table-text.ts";

type Row = readonly [string, string, string, string, string];

export const storeDuCommand: Command = {
  name: "du",
  aliases: [],
  summary: "Show what the store takes of the disk",
  description: [
    "Shows the size of each snapshot and what it takes of the disk, for all projects: holes take nothing, a file with several names counts once. Then what else is in the store.",
  ],
  positionals: [],
  options: [{ ...JSON_OPTION, describe: "Print the figures as JSON on stdout, in bytes" }],
  examples: [
    {
      command: "tl store du --json | jq '.total.diskBytes'",
      describe: "bytes on the disk, all in all",
    },
  ],
  run: async (args, { out }) => {
    const usage = await measureStore(storeOptions(args));
    out.write(
      flag(args, "json") ? `${jsonText(usage)}\n` : `${usageLines(usage, out).join("\n")}\n`,
    );
  },
};

function usageLines(usage: StoreUsage, out: OutputStream): readonly string[] {
  const rows = usage.snapshots.flatMap(({ names, snapshotId, format, outside, ...inside }) => {
    const name = names.map((image) => printable(image.name, 300)).join(", ");
    const row = rowOf([name, snapshotId, format], inside);
    const elsewhere = rowOf([`${name} (--output)`, "-", "-"], outside);
    return outside === undefined ? [row] : [row, elsewhere];
  });
  const others: readonly (readonly [string, DiskUsage])[] = [
    ["snapshots without a record", usage.unrecorded],
    ["blob cache", usage.blobCache],
    ["imports and exports in progress", usage.inProgress],
    ["leftovers", usage.leftovers],
  ];
  for (const [what, bytes] of others) {
    if (bytes.diskBytes > 0 || bytes.sizeBytes > 0) rows.push(rowOf([what, "-", "-"], bytes));
  }
  rows.push(rowOf(["all of the store", "-", "-"], usage.total));
  const shown = rows.map((row) => row.map((cell) => (out.unicode ? cell : asciiOnly(cell))));
  return tableLines(["Image", "Snapshot ID", "Format", "Size", "On disk"], shown, out);
}

function rowOf(cells: readonly [string, string, string], bytes: DiskUsage | undefined): Row {
  const { sizeBytes, diskBytes } = bytes ?? { sizeBytes: 0, diskBytes: 0 };
  return [...cells, formatBytes(sizeBytes), formatBytes(diskBytes)];
}
