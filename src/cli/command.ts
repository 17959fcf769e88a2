import type { Interruption } from "./interruption.ts";
import type { OutputStream } from "./output-stream.ts";

export interface OptionSpec {
  /** As the help prints it, without dashes. `-` and `_` inside are interchangeable on the command line. */
  readonly name: string;
  readonly short?: string;
  /** What stands after the name in the help, e.g. `MB`. Absent: a flag. */
  readonly value?: string;
  readonly repeatable?: boolean;
  /** Heading of the help that it stands under. */
  readonly group: string;
  readonly describe: string;
  readonly env?: string;
}

export interface PositionalSpec {
  /** Upper case, as the usage line prints it. */
  readonly name: string;
  /** It may be left out; only the last ones can. */
  readonly optional?: boolean;
  readonly describe: string;
}

export interface Example {
  readonly command: string;
  readonly describe: string;
}

/** What the parser found. Positionals are complete but for optional ones, options known and given once unless repeatable. */
export interface ParsedArguments {
  /** e.g. `tl sbx image import`. */
  readonly commandLine: string;
  readonly positionals: ReadonlyMap<string, string>;
  readonly options: ReadonlyMap<string, true | string | readonly string[]>;
}

/** The world that a command may touch. */
export interface CommandIo {
  readonly out: OutputStream;
  readonly err: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly interruption: Interruption;
}

export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** One line for lists of commands. */
  readonly summary: string;
  readonly description: readonly string[];
  readonly positionals: readonly PositionalSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** Further sections of the help: heading and paragraphs. */
  readonly sections?: readonly { readonly heading: string; readonly lines: readonly string[] }[];
  readonly run: (args: ParsedArguments, io: CommandIo) => Promise<void>;
}

export interface CommandGroup {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly description: readonly string[];
  readonly examples: readonly Example[];
  readonly children: readonly CommandNode[];
}

export type CommandNode = Command | CommandGroup;

export const JSON_OPTION: OptionSpec = {
  name: "json",
  group: "Output",
  describe: "Print the result as JSON on stdout",
};

/** `<NAME>`, or `[NAME]` when it may be left out. */
export function usageOf({ name, optional }: PositionalSpec): string {
  return optional === true ? `[${name}]` : `<${name}>`;
}
