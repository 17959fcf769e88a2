import { listSandboxImages, printable } from "../../index.ts";
import { JSON_OPTION, type Command } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag } from "../option-values.ts";
import { asciiOnly } from "../output-stream.ts";
import { tableLines } from "../table-text.ts";

export const lsCommand: Command = {
  name: "ls",
  aliases: ["list"],
  summary: "List the registered images",
  description: ["Lists the images of the project, in the order of their names."],
  positionals: [],
  options: [{ ...JSON_OPTION, describe: "Print the records as a JSON array on stdout" }],
  examples: [
    {
      command: "tl sbx image ls --json | jq -r '.[].name'",
      describe: "the names alone",
    },
  ],
  run: async (args, { out }) => {
    const images = await listSandboxImages(storeOptions(args));
    if (flag(args, "json")) {
      out.write(`${jsonText(images)}\n`);
      return;
    }
    if (images.length === 0) {
      out.write("No images found.\n");
      return;
    }
    const cell = (value: string | undefined): string => {
      const safe = value === undefined || value === "" ? "-" : printable(value, 300);
      return out.unicode ? safe : asciiOnly(safe);
    };
    const lines = tableLines(
      ["Name", "ID", "Snapshot ID"],
      images.map(({ name, id, snapshotId }) => [cell(name), cell(id), cell(snapshotId)]),
      out,
    );
    const count = images.length === 1 ? "1 image" : `${images.length} images`;
    out.write(`${[...lines, count].join("\n")}\n`);
  },
};
