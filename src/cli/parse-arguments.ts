import { Parser } from "yargs/helpers";
import { printable } from "../index.ts";
import { closestName } from "./closest-name.ts";
import type { Command, CommandGroup, CommandNode, OptionSpec, ParsedArguments } from "./command.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";
import { UsageError } from "./usage-error.ts";

export type Invocation =
  | { readonly kind: "help" | "missing-command"; readonly path: readonly CommandNode[] }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly command: Command; readonly args: ParsedArguments };

/** What yargs-parser does to surprise people, switched off: names and values stay exactly as typed. */
const CONFIGURATION = {
  "boolean-negation": false,
  "camel-case-expansion": false,
  "dot-notation": false,
  "greedy-arrays": false,
  "parse-numbers": false,
  "parse-positional-numbers": false,
};

/**
 * Finds the command and its arguments. Commands may be cut to an unambiguous prefix (clap's `infer_subcommands`); global
 * options stand before or after them; `-` and `_` in option names are one.
 * @throws UsageError
 */
export function parseArguments(root: CommandGroup, rawArgs: readonly string[]): Invocation {
  const { path, args } = locateCommand(root, unifySpelling(root, rawArgs));
  const target = path.at(-1) ?? root;
  const commandLine = path.map((node) => node.name).join(" ");
  const options = optionsOf(target);
  const found = Parser.detailed([...args], parserOptions(options));
  if (found.argv["help"] === true) return { kind: "help", path };
  if (found.argv["version"] === true) return { kind: "version" };
  if (found.error !== null) throw new UsageError(parserMessage(found.error.message), commandLine);
  refuseUnknownOptions(Object.keys(found.argv), options, commandLine);
  if ("children" in target) return { kind: "missing-command", path };
  return {
    kind: "run",
    command: target,
    args: {
      commandLine,
      positionals: positionalValues(target, found.argv._.map(String), commandLine),
      options: optionValues(options, found.argv, commandLine),
    },
  };
}

function names(node: CommandNode): readonly string[] {
  return [node.name, ...node.aliases];
}

export function optionsOf(node: CommandNode): readonly OptionSpec[] {
  return "children" in node ? GLOBAL_OPTIONS : [...node.options, ...GLOBAL_OPTIONS];
}

/** Takes the command's words out of the arguments, one level of the tree after the other. */
function locateCommand(
  root: CommandGroup,
  rawArgs: readonly string[],
): { readonly path: readonly CommandNode[]; readonly args: readonly string[] } {
  const path: CommandNode[] = [root];
  const before: string[] = [];
  let args = rawArgs;
  let wantsHelp = false;
  for (let node: CommandNode = root; "children" in node;) {
    const words = Parser([...args], {
      ...parserOptions(GLOBAL_OPTIONS),
      configuration: { ...CONFIGURATION, "halt-at-non-option": true },
    })._.map(String);
    const [word] = words;
    if (word === undefined) break;
    const index = args.length - words.length;
    before.push(...args.slice(0, index));
    args = args.slice(index + 1);
    if (word === "help") {
      wantsHelp = true;
      continue;
    }
    refuseUnknownOptions(
      Object.keys(Parser(before, parserOptions(GLOBAL_OPTIONS))),
      GLOBAL_OPTIONS,
      path.map(({ name }) => name).join(" "),
    );
    node = childNamed(node, word, path);
    path.push(node);
  }
  // In front: behind a `--` it would be an argument.
  return { path, args: [...(wantsHelp ? ["--help"] : []), ...before, ...args] };
}

function childNamed(group: CommandGroup, word: string, path: readonly CommandNode[]): CommandNode {
  const commandLine = path.map((node) => node.name).join(" ");
  const exact = group.children.find((child) => names(child).includes(word));
  if (exact !== undefined) return exact;
  const candidates = group.children.filter((child) =>
    names(child).some((name) => name.startsWith(word)),
  );
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1 && word !== "") return only;
  const shown = printable(word, 60);
  if (candidates.length > 1 && word !== "") {
    const list = candidates.flatMap((child) =>
      names(child).filter((name) => name.startsWith(word)),
    );
    throw new UsageError(`"${shown}" is ambiguous: it could be ${list.join(" or ")}`, commandLine);
  }
  const close = closestName(word, group.children.flatMap(names));
  const advice =
    close === undefined
      ? `there are ${group.children.map(({ name }) => name).join(", ")}`
      : `did you mean ${close}?`;
  throw new UsageError(`unknown command "${shown}"; ${advice}`, commandLine);
}

function parserOptions(options: readonly OptionSpec[]): object {
  const valued = options.filter(({ value }) => value !== undefined).map(({ name }) => name);
  return {
    boolean: options.filter(({ value }) => value === undefined).map(({ name }) => name),
    string: valued,
    narg: Object.fromEntries(valued.map((name) => [name, 1])),
    alias: Object.fromEntries(
      options.flatMap(({ name, short }) => (short === undefined ? [] : [[name, [short]]])),
    ),
    configuration: CONFIGURATION,
  };
}

/** `--disk-mb` and `--registered_name` become what the tables call them. Nothing after `--` is an option. */
function unifySpelling(root: CommandGroup, args: readonly string[]): readonly string[] {
  const specs = allOptions(root);
  const canonical = new Map(specs.map((spec) => [spec.name.replaceAll("_", "-"), spec]));
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  return args.map((arg, index) => {
    if (index >= end) return arg;
    if (/^-[^-]/.test(arg)) return refuseUnderscore(splitOffValue(arg, specs), root);
    refuseUnderscore(arg, root);
    const match = /^--([a-z][a-z0-9_-]*)(=.*)?$/is.exec(arg);
    const spec = canonical.get(match?.[1]?.replaceAll("_", "-") ?? "");
    if (spec === undefined) return arg;
    if (spec.value === undefined && match?.[2] !== undefined) {
      throw new UsageError(`--${spec.name} takes no value`, root.name);
    }
    return `--${spec.name}${match?.[2] ?? ""}`;
  });
}

/** The parser keeps its positionals under `_`: an option of that name would stand among them. */
function refuseUnderscore(arg: string, root: CommandGroup): string {
  if (/^(?:--_(?:=|$)|-[^-=]*_)/.test(arg)) throw new UsageError("unknown option -_", root.name);
  return arg;
}

/** `-nNAME`, also behind flags (`-pnNAME`), is `-n=NAME`: the parser would take the name for a group of flags. */
function splitOffValue(arg: string, specs: readonly OptionSpec[]): string {
  const letters = arg.slice(1).split("");
  const specOf = (letter: string) => specs.find(({ short }) => short === letter);
  const valued = letters.findIndex((letter) => specOf(letter)?.value !== undefined);
  const before = letters.slice(0, Math.max(0, valued));
  const value = letters.slice(valued + 1).join("");
  const isValue = valued >= 0 && before.every((letter) => specOf(letter) !== undefined);
  if (!isValue || value === "" || value.startsWith("=")) return arg;
  return `-${letters.slice(0, valued + 1).join("")}=${value}`;
}

export function allOptions(root: CommandGroup): readonly OptionSpec[] {
  const below = (node: CommandNode): readonly OptionSpec[] =>
    "children" in node ? node.children.flatMap(below) : node.options;
  return [...GLOBAL_OPTIONS, ...below(root)];
}

function refuseUnknownOptions(
  keys: readonly string[],
  options: readonly OptionSpec[],
  commandLine: string,
): void {
  const known = options.flatMap(({ name, short }) => [
    name,
    ...(short === undefined ? [] : [short]),
  ]);
  const unknown = keys.find((key) => key !== "_" && !known.includes(key));
  if (unknown === undefined) return;
  const close = unknown.length > 1 ? closestName(unknown, known) : undefined;
  throw new UsageError(
    `unknown option ${unknown.length > 1 ? "--" : "-"}${printable(unknown, 60)}` +
      (close === undefined ? "" : `; did you mean --${close}?`),
    commandLine,
  );
}

function positionalValues(
  command: Command,
  words: readonly string[],
  commandLine: string,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [index, { name, optional }] of command.positionals.entries()) {
    const word = words[index];
    if (word !== undefined) values.set(name, word);
    else if (optional !== true) throw new UsageError(`missing argument <${name}>`, commandLine);
  }
  const surplus = words[command.positionals.length];
  if (surplus !== undefined) {
    throw new UsageError(`unexpected argument "${printable(surplus, 60)}"`, commandLine);
  }
  return values;
}

function optionValues(
  options: readonly OptionSpec[],
  argv: Readonly<Record<string, unknown>>,
  commandLine: string,
): ReadonlyMap<string, true | string | readonly string[]> {
  const values = new Map<string, true | string | readonly string[]>();
  for (const { name, value, repeatable } of options) {
    const found = argv[name];
    if (value === undefined) {
      if (found === true) values.set(name, true);
    } else if (typeof found === "string") values.set(name, found);
    else if (Array.isArray(found)) {
      if (repeatable !== true) {
        throw new UsageError(`--${name} is given more than once`, commandLine);
      }
      values.set(name, found.map(String));
    }
  }
  return values;
}

function parserMessage(message: string): string {
  const option = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  if (option === undefined) return printable(message);
  return `option ${option.length > 1 ? "--" : "-"}${printable(option, 60)} needs a value`;
}
