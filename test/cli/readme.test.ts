import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../src/cli/command-tree.ts";
import { usageOf, type CommandNode } from "../../src/cli/command.ts";
import { allOptions } from "../../src/cli/parse-arguments.ts";
import { DEFAULT_LIMITS } from "../../src/index.ts";

const repository = resolve(import.meta.dirname, "../..");
const README = readFileSync(resolve(repository, "README.md"), "utf8");

function section(heading: string): string {
  const start = README.indexOf(`\n## ${heading}\n`);
  if (start === -1) throw new Error(`README.md has no section ${heading}`);
  const end = README.indexOf("\n## ", start + 1);
  return README.slice(start, end === -1 ? undefined : end);
}

/** What stands in backquotes at the beginning of each row of a table. */
function firstColumn(text: string): readonly string[] {
  return [...text.matchAll(/^\| `([^`|]+)` *\|/gm)].map(([, name = ""]) => name);
}

test("the README lists every error code, and none that does not exist", () => {
  const source = readFileSync(resolve(repository, "src/errors.ts"), "utf8");
  const type = source.slice(source.indexOf("export type ErrorCode"), source.indexOf(";\n"));
  const codes = [...type.matchAll(/"(ERR_\w+)"/g)].map(([, code = ""]) => code);
  expect(codes.length).toBeGreaterThan(30);
  expect(firstColumn(section("Error codes")).toSorted()).toEqual(codes.toSorted());
});

test("the README lists every limit with its default", () => {
  const rows = [...section("Limits").matchAll(/^\| `(\w+)` *\| (\d+) *\|/gm)].map(
    ([, name = "", value]): [string, number] => [name, Number(value)],
  );
  expect(Object.fromEntries(rows)).toEqual(DEFAULT_LIMITS);
});

test("the README names every option with its value, every alias and variable", () => {
  const options = allOptions(ROOT);
  const wanted = options.map(({ name, short, value }) => {
    const long = `\`--${name}${value === undefined ? "" : ` ${value}`}\``;
    return short === undefined ? long : `\`-${short}\`, ${long}`;
  });
  wanted.push(...options.flatMap(({ env }) => (env === undefined ? [] : [`\`${env}\``])));
  expect(wanted.filter((text) => !README.includes(text))).toEqual([]);
});

test("the README shows every command with its arguments", () => {
  const usages = (node: CommandNode, path: string): readonly string[] => {
    const line = path === "" ? node.name : `${path} ${node.name}`;
    if ("children" in node) return node.children.flatMap((child) => usages(child, line));
    const names = [line, ...node.aliases].join(" | ");
    return [[names, ...node.positionals.map(usageOf)].join(" ")];
  };
  for (const usage of usages(ROOT, "")) expect(section("Commands")).toContain(`    ${usage} `);
});
