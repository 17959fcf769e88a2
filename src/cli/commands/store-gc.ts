import {
  collectStoreGarbage,
  ImportError,
  printable,
  type Garbage,
  type StoreGarbageCollection,
} from "../../index.ts";
import { JSON_OPTION, type Command } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag } from "../option-values.ts";
import { asciiOnly } from "../output-stream.ts";
import { counted, formatBytes } from "../quantities.ts";

const PATH_LENGTH = 4096;

export const storeGcCommand: Command = {
  name: "gc",
  aliases: [],
  summary: "Remove what no image and no running import needs",
  description: [
    "Removes what imports, exports and deletions that were killed have left behind, and says how much that was. Every command does the same when it begins, without a word.",
    "Snapshots that have files and no record stay: the catalog may have been damaged (`tl store check`).",
  ],
  positionals: [],
  options: [
    {
      name: "blob-cache",
      group: "What is removed",
      describe: "Also the layers that imports with --blob-cache have kept",
    },
    { ...JSON_OPTION, describe: "Print what was removed as JSON on stdout" },
  ],
  examples: [
    { command: "tl store gc", describe: "after a crash, without waiting for the next import" },
  ],
  run: async (args, { out }) => {
    const collection = await collectStoreGarbage({
      ...storeOptions(args),
      blobCache: flag(args, "blob-cache"),
    });
    const lines = flag(args, "json") ? [jsonText(collection)] : reportLines(collection);
    const text = `${lines.join("\n")}\n`;
    out.write(out.unicode ? text : asciiOnly(text));
    if (collection.kept.length > 0) throw notRemoved(collection);
  },
};

function reportLines({ removed, kept, freedBytes }: StoreGarbageCollection): readonly string[] {
  return [
    ...removed.map((garbage) => garbageLine("Removed", garbage)),
    ...kept.map((garbage) => garbageLine("Kept", garbage)),
    removed.length === 0
      ? "There was nothing to remove."
      : `Removed ${counted(removed.length, "thing")}, freed ${formatBytes(freedBytes)}.`,
  ];
}

function garbageLine(verb: string, { what, path, diskBytes }: Garbage): string {
  return `${verb} ${printable(path, PATH_LENGTH)}: ${what} (${formatBytes(diskBytes)})`;
}

function notRemoved({ home, kept, failures }: StoreGarbageCollection): ImportError {
  const why = failures.length === 0 ? "" : `: ${failures[0]}`;
  const what = counted(kept.length, "leftover");
  return new ImportError(
    "ERR_STORE_IO",
    `${what} of ${printable(home, PATH_LENGTH)} stayed${why}`,
    {
      hint: "Remove what is in the way, a mount for instance, then run it again.",
      details: { leftovers: kept.length },
    },
  );
}
