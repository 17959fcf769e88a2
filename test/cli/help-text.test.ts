import { expect, test } from "vitest";
import { ROOT } from "../../src/cli/command-tree.ts";
import type { CommandNode } from "../../src/cli/command.ts";
import { displayWidth } from "../../src/cli/display-width.ts";
import { helpText } from "../../src/cli/help-text.ts";
import { DEFAULT_LIMITS } from "../../src/index.ts";

function allPaths(path: readonly CommandNode[]): readonly (readonly CommandNode[])[] {
  const node = path.at(-1);
  const below = node !== undefined && "children" in node ? node.children : [];
  return [path, ...below.flatMap((child) => allPaths([...path, child]))];
}

function pathTo(...names: readonly string[]): readonly CommandNode[] {
  const found = allPaths([ROOT]).find(
    (path) => path.map(({ name }) => name).join(" ") === ["tl", ...names].join(" "),
  );
  if (found === undefined) throw new Error(names.join(" "));
  return found;
}

test.each([70, 80, 100, 300])(
  "but for examples, no line of any help is wider than %i columns, or than 100",
  (columns) => {
    for (const path of allPaths([ROOT])) {
      const lines = helpText(path, columns)
        .split("\n")
        .filter((line) => !line.startsWith("  tl "));
      expect(lines.filter((line) => displayWidth(line) > Math.min(columns, 100))).toEqual([]);
    }
  },
);

test("the help of import says what it does first, then how, with every option and limit", () => {
  const text = helpText(pathTo("sbx", "image", "import"), 80);
  expect(text.startsWith("Pulls a container image from its registry")).toBe(true);
  expect(text).toContain("Usage: tl sbx image import [OPTIONS] <IMAGE_REFERENCE>");
  expect(text.indexOf("Examples:")).toBeLessThan(text.indexOf("--registered-name <NAME>"));
  const node = pathTo("sbx", "image", "import").at(-1);
  if (node === undefined || "children" in node) throw new Error("not a command");
  for (const { name, short, value } of node.options) {
    const written = `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` <${value}>`}`;
    expect(text).toContain(written);
  }
  for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
    expect(text).toContain(`${name}=${String(value)}`);
  }
  for (const spelled of ["--disk_mb", "--builder_disk_mb", "--docker_compat"]) {
    expect(text).toContain(spelled);
  }
});

test("the help of a group lists its commands with their aliases, and no others", () => {
  expect(helpText(pathTo("sbx", "image"), 100)).toContain(
    [
      "Commands:",
      "  import      Pull a container image and register its root filesystem",
      "  register    Give a name to an existing snapshot",
      "  ls, list    List the registered images",
      "  describe    Show everything known about an image",
      "  files       List the files of an image, or print one",
      "  verify      Check that an image's snapshot is what was imported",
      "  export      Write an image's root filesystem as a tar archive or a directory",
      "  bench       Measure how fast an image can be pulled and unpacked",
      "  rm, delete  Delete an image",
      "",
    ].join("\n"),
  );
});

test("global options are explained once, with their variables, and say when they are not used", () => {
  const text = helpText(pathTo(), 100);
  for (const name of [
    "TENSORLAKE_PROJECT_ID",
    "TENSORLAKE_DEBUG",
    "TENSORLAKE_API_URL",
    "TENSORLAKE_CLOUD_URL",
    "TENSORLAKE_API_KEY",
    "TENSORLAKE_PAT",
    "TENSORLAKE_ORGANIZATION_ID",
    "INDEXIFY_NAMESPACE",
  ]) {
    expect(text).toContain(`[env: ${name}]`);
  }
  expect(text.match(/not used by the\s+local catalog/g)).toHaveLength(6);
});
