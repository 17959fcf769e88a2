import { describeSandboxImage } from "../../index.ts";
import { JSON_OPTION, type Command } from "../command.ts";
import { descriptionLines } from "../description-text.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, positional } from "../option-values.ts";

export const describeCommand: Command = {
  name: "describe",
  aliases: [],
  summary: "Show everything known about an image",
  description: [
    "Shows an image: its snapshot, where it came from, what it runs, and where its root filesystem lies.",
  ],
  positionals: [{ name: "NAME_OR_ID", describe: "Name or id of a registered image" }],
  options: [{ ...JSON_OPTION, describe: "Print the record as JSON on stdout" }],
  examples: [
    { command: "tl sbx image describe alpine", describe: "by name" },
    {
      command: "tl sbx image describe alpine --json | jq -r .path",
      describe: "where its root filesystem lies",
    },
  ],
  run: async (args, { out }) => {
    const image = await describeSandboxImage(positional(args, "NAME_OR_ID"), storeOptions(args));
    out.write(`${flag(args, "json") ? jsonText(image) : descriptionLines(image).join("\n")}\n`);
  },
};
