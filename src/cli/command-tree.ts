import type { CommandGroup } from "./command.ts";
import { benchCommand } from "./commands/bench.ts";
import { completionCommand } from "./commands/completion.ts";
import { describeCommand } from "./commands/describe.ts";
import { exportCommand } from "./commands/export.ts";
import { filesCommand } from "./commands/files.ts";
import { importCommand } from "./commands/import.ts";
import { lsCommand } from "./commands/ls.ts";
import { registerCommand } from "./commands/register.ts";
import { rmCommand } from "./commands/rm.ts";
import { storeCheckCommand } from "./commands/store-check.ts";
import { storeDuCommand } from "./commands/store-du.ts";
import { storeGcCommand } from "./commands/store-gc.ts";
import { verifyCommand } from "./commands/verify.ts";

const IMAGE_GROUP: CommandGroup = {
  name: "image",
  aliases: [],
  summary: "Import, list and delete sandbox images",
  description: [
    "Sandbox images: names of root filesystems that sandboxes start from. They are kept in $ROOTLIFT_HOME (default: ~/.local/share/rootlift).",
  ],
  examples: [
    { command: "tl sbx image import alpine:3.20", describe: "registers the image `alpine`" },
    { command: "tl sbx image describe alpine", describe: "shows what it holds and where it lies" },
    { command: "tl sbx image rm alpine", describe: "deletes it" },
  ],
  children: [
    importCommand,
    registerCommand,
    lsCommand,
    describeCommand,
    filesCommand,
    verifyCommand,
    exportCommand,
    benchCommand,
    rmCommand,
  ],
};

const SANDBOX_GROUP: CommandGroup = {
  name: "sbx",
  aliases: [],
  summary: "Sandboxes and their images",
  description: ["Sandboxes and the images that they start from."],
  examples: [],
  children: [IMAGE_GROUP],
};

const STORE_GROUP: CommandGroup = {
  name: "store",
  aliases: [],
  summary: "Look after the store that images are kept in",
  description: [
    "The directory that images are kept in ($ROOTLIFT_HOME, default: ~/.local/share/rootlift), for all projects.",
  ],
  examples: [
    { command: "tl store check", describe: "says whether all is well" },
    { command: "tl store du", describe: "shows what takes how much room" },
  ],
  children: [storeCheckCommand, storeGcCommand, storeDuCommand],
};

/** Everything that `tl` can do. */
export const ROOT: CommandGroup = {
  name: "tl",
  aliases: [],
  summary: "rootlift",
  description: [
    "rootlift turns container images into root filesystems for sandboxes: pulled straight from the registry, verified, without Docker or any other daemon.",
  ],
  examples: [
    {
      command: "tl sbx image import alpine:3.20",
      describe: "pulls the image and registers it as `alpine`",
    },
    { command: "tl sbx image ls", describe: "lists what is registered" },
  ],
  children: [SANDBOX_GROUP, STORE_GROUP, completionCommand],
};
