import {
  usageOf,
  type Command,
  type CommandGroup,
  type CommandNode,
  type OptionSpec,
} from "./command.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";

/** Wider lines are hard to read; narrower terminals get narrower text, down to this. */
const WIDTH = { widest: 100, narrowest: 50 };
/** Names longer than this put their description on the next line. */
const NAME_COLUMNS = 30;
/** Holds words together until the lines are broken. */
const NO_BREAK = "\u00A0";

/** @param path from the root to what the help is about @returns text that ends with a line end */
export function helpText(path: readonly CommandNode[], terminalColumns: number): string {
  const width = Math.max(WIDTH.narrowest, Math.min(WIDTH.widest, terminalColumns - 1));
  const node = path.at(-1);
  if (node === undefined) return "";
  const commandLine = path.map(({ name }) => name).join(" ");
  const sections =
    "children" in node
      ? groupSections(node, commandLine, path.length === 1, width)
      : commandSections(node, commandLine, width);
  const description = node.description.map((text) => wrap(text, width, "").join("\n"));
  return `${[...description, ...sections].join("\n\n").replaceAll(NO_BREAK, " ")}\n`;
}

function groupSections(
  group: CommandGroup,
  commandLine: string,
  isRoot: boolean,
  width: number,
): readonly string[] {
  return [
    `Usage: ${commandLine} [OPTIONS] <COMMAND>`,
    section(
      "Commands",
      definitions(
        group.children.map((child) => [[child.name, ...child.aliases].join(", "), child.summary]),
        width,
      ),
    ),
    ...examples(group, width),
    ...(isRoot ? optionSections(GLOBAL_OPTIONS, width) : [globalNote(width)]),
    wrap(
      `Run '${commandLine} <COMMAND> --help' for more. Commands may be shortened while they stay unambiguous.`,
      width,
      "",
    ).join("\n"),
  ];
}

function commandSections(command: Command, commandLine: string, width: number): readonly string[] {
  const positionals = command.positionals.map((spec) => ` ${usageOf(spec)}`).join("");
  const aliases = command.aliases.length === 0 ? [] : [`Also: ${command.aliases.join(", ")}`];
  return [
    `Usage: ${commandLine} [OPTIONS]${positionals}`,
    ...aliases,
    ...(command.positionals.length === 0
      ? []
      : [
          section(
            "Arguments",
            definitions(
              command.positionals.map((spec) => [usageOf(spec), spec.describe]),
              width,
            ),
          ),
        ]),
    ...examples(command, width),
    ...optionSections(command.options, width),
    ...(command.sections ?? []).map(({ heading, lines }) =>
      section(
        heading,
        lines.flatMap((line) => wrap(line, width, "  ")),
      ),
    ),
    globalNote(width),
  ];
}

function globalNote(width: number): string {
  const text =
    "Global options such as --project and --debug may stand before or after the command: see 'tl --help'.";
  return wrap(text, width, "").join("\n");
}

function examples(node: CommandNode, width: number): readonly string[] {
  if (node.examples.length === 0) return [];
  const lines = node.examples.flatMap(({ command, describe }) => [
    `  ${command}`,
    ...wrap(describe, width, "      "),
  ]);
  return [section("Examples", lines)];
}

function optionSections(options: readonly OptionSpec[], width: number): readonly string[] {
  const groups = [...new Set(options.map(({ group }) => group))];
  return groups.map((group) =>
    section(
      group,
      definitions(
        options
          .filter((option) => option.group === group)
          .map((option) => [optionName(option), optionText(option)]),
        width,
      ),
    ),
  );
}

function optionName({ name, short, value }: OptionSpec): string {
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` <${value}>`}`;
}

function optionText({ describe, env }: OptionSpec): string {
  return env === undefined ? describe : `${describe} [env:${NO_BREAK}${env}]`;
}

function section(heading: string, lines: readonly string[]): string {
  return [`${heading}:`, ...lines].join("\n");
}

/** Two columns; the second one begins at the same place in all of them. */
function definitions(
  pairs: readonly (readonly [string, string])[],
  width: number,
): readonly string[] {
  const names = pairs.map(([name]) => name.length).filter((length) => length <= NAME_COLUMNS);
  const indent = " ".repeat(2 + Math.max(0, ...names) + 2);
  return pairs.flatMap(([name, text]) => {
    const lines = wrap(text, width, indent);
    const [first = ""] = lines;
    return `  ${name}`.length + 2 <= indent.length
      ? [`  ${name}`.padEnd(indent.length) + first.trimStart(), ...lines.slice(1)]
      : [`  ${name}`, ...lines];
  });
}

function wrap(text: string, width: number, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, indent + line];
}
