import fc from "fast-check";
import { expect, test } from "vitest";
import { ROOT } from "../../src/cli/command-tree.ts";
import type { ParsedArguments } from "../../src/cli/command.ts";
import { parseArguments } from "../../src/cli/parse-arguments.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

function parse(line: string | readonly string[]): {
  readonly command: string;
  readonly args: ParsedArguments;
} {
  const invocation = parseArguments(ROOT, typeof line === "string" ? line.split(" ") : line);
  if (invocation.kind !== "run") throw new Error(`not a run: ${invocation.kind}`);
  return { command: invocation.command.name, args: invocation.args };
}

function refusal(line: string | readonly string[]): string {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("was accepted");
}

test.each([
  ["sbx image import a", "import"],
  ["sbx image imp a", "import"],
  ["sb im i a", "import"],
  ["sbx image reg a b", "register"],
  ["sbx image desc a", "describe"],
  ["sbx image ls", "ls"],
  ["sbx image list", "ls"],
  ["sbx image l", "ls"],
  ["sbx image rm a", "rm"],
  ["sbx image delete a", "rm"],
  ["sbx image del a", "rm"],
  ["completion", "completion"],
])("`tl %s` runs %s", (line, command) => {
  expect(parse(line).command).toBe(command);
});

test.each([
  ["sbx image r a", '"r" is ambiguous: it could be register or rm'],
  ["sbx image d a", '"d" is ambiguous: it could be describe or delete'],
  [
    "sbx image frobnicate",
    'unknown command "frobnicate"; there are import, register, ls, describe, files, verify, export, bench, rm',
  ],
  ["sbx imgae ls", 'unknown command "imgae"; did you mean image?'],
  ["sbx image importt a", 'unknown command "importt"; did you mean import?'],
  [
    "sbx image create Dockerfile",
    'unknown command "create"; there are import, register, ls, describe, files, verify, export, bench, rm',
  ],
  ["sbx image import", "missing argument <IMAGE_REFERENCE>"],
  ["sbx image register name", "missing argument <SNAPSHOT_ID>"],
  ["sbx image import a b", 'unexpected argument "b"'],
  ["sbx image import a --bogus", "unknown option --bogus"],
  ["sbx image import a --plain-htp", "unknown option --plain-htp; did you mean --plain-http?"],
  ["sbx image import a -x", "unknown option -x"],
  ["sbx image import a -xnname", "unknown option -x"],
  ["sbx image ls -nname", "unknown option -n"],
  ["sbx image import a --output", "option --output needs a value"],
  ["sbx image import a -n", "option -n needs a value"],
  ["sbx image import a --output --json", "option --output needs a value"],
  ["sbx image import a --json=yes", "--json takes no value"],
  ["sbx image import a --cpus 1 --cpus 2", "--cpus is given more than once"],
  ["sbx image ls --output x", "unknown option --output"],
  ["--output x sbx image import a", "unknown option --output"],
  ["sbx image ls --no-json", "unknown option --no-json"],
])("`tl %s` is refused: %s", (line, message) => {
  expect(refusal(line)).toBe(message);
});

test.each([
  ["--disk_mb 5", "disk_mb"],
  ["--disk-mb 5", "disk_mb"],
  ["--disk-mb=5", "disk_mb"],
  ["--builder-disk-mb 5", "builder_disk_mb"],
  ["--builder_disk_mb 5", "builder_disk_mb"],
  ["--registered-name 5", "registered-name"],
  ["--registered_name 5", "registered-name"],
  ["-n 5", "registered-name"],
  ["--project 5", "project"],
  ["--api_url 5", "api-url"],
])("both spellings of an option are one: %s", (written, name) => {
  const { args } = parse(`sbx image import a ${written}`);
  expect(args.options.get(name)).toBe("5");
});

test("global options stand before, between and after the commands", () => {
  for (const line of [
    "--project p --debug sbx image ls",
    "sbx --project=p image --debug ls",
    "sbx image ls --debug --project p",
  ]) {
    const { command, args } = parse(line);
    expect(command).toBe("ls");
    expect([args.options.get("project"), args.options.get("debug")]).toEqual(["p", true]);
  }
});

test("the options about the remote platform are accepted", () => {
  const { args } = parse(
    "--api-url u --cloud-url c --api-key k --pat t --organization o --namespace n sbx image ls",
  );
  expect([...args.options.keys()].toSorted()).toEqual(
    ["api-key", "api-url", "cloud-url", "namespace", "organization", "pat"].toSorted(),
  );
});

test("flags in one group, and a repeatable option", () => {
  const { args } = parse("sbx image import a -pn name --limit entries=5 --limit layers=6");
  expect(args.options.get("public")).toBe(true);
  expect(args.options.get("registered-name")).toBe("name");
  expect(args.options.get("limit")).toEqual(["entries=5", "layers=6"]);
});

test.each([
  [["-nhelp"], "help", undefined],
  [["-n=help"], "help", undefined],
  [["-n=a=b"], "a=b", undefined],
  [["-na=b"], "a=b", undefined],
  [["-n-x"], "-x", undefined],
  [["-nné ☃"], "né ☃", undefined],
  [["-pnhelp"], "help", true],
  [["-pn=help"], "help", true],
])("the name may stick to its option: %j", (words, name, isPublic) => {
  const { args } = parse(["sbx", "image", "import", "a", ...words]);
  expect(args.options.get("registered-name")).toBe(name);
  expect(args.options.get("public")).toBe(isPublic);
});

test("names that look like numbers or options stay what they are", () => {
  expect(parse("sbx image rm 1.0").args.positionals.get("NAME_OR_ID")).toBe("1.0");
  expect(parse("sbx image rm 0x10").args.positionals.get("NAME_OR_ID")).toBe("0x10");
  expect(parse("sbx image rm -- --json").args.positionals.get("NAME_OR_ID")).toBe("--json");
  expect(parse(["sbx", "image", "rm", ""]).args.positionals.get("NAME_OR_ID")).toBe("");
  expect(parse("sbx image import a -n 007").args.options.get("registered-name")).toBe("007");
});

test.each(["-_", "-_x", "-p_", "--_", "--_=x"])(
  "%s is no option, and does not end up among the arguments",
  (word) => {
    expect(refusal(["sbx", "image", "import", "a", word])).toMatch(/unknown option -_/);
  },
);

test("--help and `help` lead to the help of the command, whatever else is wrong", () => {
  for (const line of [
    "sbx image import --help",
    "sbx image import -h --bogus",
    "help sbx image import",
    "sbx image help import",
    "sbx help image imp",
    "--help sbx image import",
    "help sbx image -- import",
    "sbx help -- image import",
  ]) {
    const invocation = parseArguments(ROOT, line.split(" "));
    expect(invocation.kind).toBe("help");
    if (invocation.kind !== "help") continue;
    expect(invocation.path.map(({ name }) => name)).toEqual(["tl", "sbx", "image", "import"]);
  }
});

test("a group without a command is not a run", () => {
  for (const line of [[], ["sbx"], ["sbx", "image"], ["--debug"]]) {
    expect(parseArguments(ROOT, line).kind).toBe("missing-command");
  }
});

test("any words give an invocation or a usage error", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "sbx",
      "image",
      "import",
      "rm",
      "--",
      "-n",
      "--limit",
      "--json",
      "-",
      "--=",
      "help",
    ),
    fc.string(),
    fc.string().map((name) => `--${name}`),
    fc.constantFrom("--__proto__", "--constructor=x", "--toString", "__proto__", "--a.b=c"),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      expect(["run", "help", "version", "missing-command", "refused"]).toContain(outcome(words));
    }),
  );
});

function outcome(words: readonly string[]): string {
  try {
    return parseArguments(ROOT, words).kind;
  } catch (error) {
    if (error instanceof UsageError) return "refused";
    throw error;
  }
}
