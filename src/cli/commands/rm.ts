import { deleteSandboxImage, printable } from "../../index.ts";
import { JSON_OPTION, type Command } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, positional } from "../option-values.ts";

export const rmCommand: Command = {
  name: "rm",
  aliases: ["delete"],
  summary: "Delete an image",
  description: [
    "Deletes an image's name, without asking. Its snapshot goes too, unless another name has it or it lies outside of the store (--output).",
  ],
  positionals: [{ name: "NAME_OR_ID", describe: "Name or id of a registered image" }],
  options: [{ ...JSON_OPTION, describe: "Print what was deleted as JSON on stdout" }],
  examples: [{ command: "tl sbx image rm alpine", describe: "by name" }],
  run: async (args, { out }) => {
    const { name } = await deleteSandboxImage(positional(args, "NAME_OR_ID"), storeOptions(args));
    out.write(
      flag(args, "json")
        ? `${jsonText({ deleted: true, name })}\n`
        : `Deleted image '${printable(name)}'.\n`,
    );
  },
};
