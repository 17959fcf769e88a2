import {
  ImportError,
  printable,
  verifySandboxImage,
  type SandboxImageDamage,
  type SandboxImageVerification,
} from "../../index.ts";
import { JSON_OPTION, type Command, type CommandIo, type ParsedArguments } from "../command.ts";
import { storeOptions } from "../global-options.ts";
import { jsonText } from "../json-text.ts";
import { flag, positional } from "../option-values.ts";
import { asciiOnly } from "../output-stream.ts";
import { counted, formatBytes, formatCount } from "../quantities.ts";

const CANCELLED_HINT = "Nothing was changed.";

export const verifyCommand: Command = {
  name: "verify",
  aliases: [],
  summary: "Check that an image's snapshot is what was imported",
  description: [
    "Compares every byte of a snapshot with the checksums that its import recorded. Of a disk image (ext4, erofs) it also checks the whole file system with no other tool: superblocks, inodes, directories, attributes, of ext4 also bitmaps and the journal.",
    "What is damaged is named by inode, path and block. Nothing is changed.",
  ],
  positionals: [
    { name: "NAME_OR_ID", describe: "Name or id of a registered image, or id of its snapshot" },
  ],
  options: [{ ...JSON_OPTION, describe: "Print the report as JSON on stdout" }],
  examples: [
    { command: "tl sbx image verify alpine", describe: "exits with 0 when it is sound" },
    {
      command: "tl sbx image verify alpine --json | jq -r '.damage[].path'",
      describe: "the files that are damaged",
    },
  ],
  sections: [
    {
      heading: "Exit status",
      lines: [
        "0 sound; 1 damaged [ERR_SNAPSHOT_DAMAGED], with the report on stdout all the same, or failed with another code.",
      ],
    },
  ],
  run: runVerify,
};

async function runVerify(args: ParsedArguments, io: CommandIo): Promise<void> {
  const nameOrId = positional(args, "NAME_OR_ID");
  const report = await io.interruption.guard(
    async (signal) => verifySandboxImage(nameOrId, { ...storeOptions(args), signal }),
    () => {},
    CANCELLED_HINT,
  );
  const lines = flag(args, "json") ? [jsonText(report)] : reportLines(report);
  const text = `${lines.join("\n")}\n`;
  io.out.write(io.out.unicode ? text : asciiOnly(text));
  if (!report.sound) throw damaged(report);
}

function reportLines(report: SandboxImageVerification): readonly string[] {
  const { name, damage, damageCount, sound } = report;
  const lines = damage.map(damageLine);
  if (damageCount > damage.length) {
    lines.push(`… and ${formatCount(damageCount - damage.length)} more`);
  }
  if (sound) lines.push(`Image '${printable(name)}' is sound (${extent(report)}).`);
  return lines;
}

function damageLine({ what, inode, path, block, problem }: SandboxImageDamage): string {
  const where = [
    ...(path === undefined ? [] : [path]),
    ...(inode === undefined ? [] : [`inode ${inode}`]),
    ...(block === undefined ? [] : [`block ${block}`]),
  ];
  return `${what}${where.length === 0 ? "" : ` (${where.join(", ")})`}: ${problem}`;
}

function extent({ inodes, blocks, usedBlocks, checkedBytes }: SandboxImageVerification): string {
  const bytes = `${formatBytes(checkedBytes)} as imported`;
  if (inodes === undefined || blocks === undefined || usedBlocks === undefined) return bytes;
  return `${counted(inodes, "inode")}, ${formatCount(usedBlocks)} of ${counted(blocks, "block")} in use, ${bytes}`;
}

function damaged({ name, snapshotId, damageCount }: SandboxImageVerification): ImportError {
  return new ImportError(
    "ERR_SNAPSHOT_DAMAGED",
    `image '${printable(name)}' is damaged: ${counted(damageCount, "problem")}`,
    {
      hint: "Import it again with --replace.",
      details: { snapshotId, damageCount },
    },
  );
}
