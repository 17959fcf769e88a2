import yargs, { type Argv } from "yargs";
import type { CommandGroup, CommandNode } from "./command.ts";
import { optionsOf } from "./parse-arguments.ts";

/** The words that the shell's script calls us with, before the words typed so far. */
export const COMPLETION_FLAG = "--get-yargs-completions";

/** A script for the shell in `$SHELL`, as yargs writes it. */
export function completionScript(): string {
  let script = "";
  const write = console.log;
  // yargs hands the script to console.log and to nothing else.
  console.log = (text: string): void => {
    script = `${text}\n`;
  };
  try {
    yargs([]).scriptName("tl").completion().showCompletionScript();
  } finally {
    console.log = write;
  }
  return script;
}

/** Prints the candidates for the last of the words, one a line. @param rawArgs the flag, then the words typed so far */
export async function printCompletions(
  root: CommandGroup,
  rawArgs: readonly string[],
): Promise<void> {
  const parser = describeNode(root, yargs([...rawArgs]).scriptName("tl"));
  await parser.help(false).version(false).completion().exitProcess(false).parseAsync();
}

/** Without short forms and aliases: a completion that offers two spellings of a thing makes the typist choose for nothing. */
function describeNode<T>(node: CommandNode, parser: Argv<T>): Argv<T> {
  for (const { name, value, describe } of optionsOf(node)) {
    parser.option(name, { type: value === undefined ? "boolean" : "string", describe });
  }
  if ("children" in node) {
    // yargs lists its own `completion`.
    for (const child of node.children.filter(({ name }) => name !== "completion")) {
      parser.command(child.name, child.summary, (inner) => describeNode(child, inner));
    }
  }
  return parser;
}
