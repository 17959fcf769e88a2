import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startProcess } from "../support/running-process.ts";

// bin/tl.js in packages made for it. An old Node is this Node with another version number: what counts for tl.js is what
// `process.versions` says, and the Node that it goes on with is a real one.

const TL = resolve(import.meta.dirname, "../../bin/tl.js");
const PRETEND_OLD = [
  "--import",
  `data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.9.0"}})`,
];
/** Says how it was started, then does what its first argument says. */
const MAIN = `
  if (process.argv[2] === "wait") {
    process.on("SIGTERM", () => { process.stdout.write("got SIGTERM\\n"); process.exit(143); });
    setInterval(() => {}, 1000);
  }
  process.stdout.write(JSON.stringify({ args: process.argv.slice(2), marked: "ROOTLIFT_TL_CONTINUED" in process.env }) + "\\n");
  if (process.argv[2] === "exit") process.exitCode = Number(process.argv[3]);
  if (process.argv[2] === "die") process.kill(process.pid, process.argv[3]);
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rootlift-tl-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A package with bin/tl.js, below `folder`. @returns the path of its tl.js */
function packageAt(path: string, main = MAIN): string {
  const root = join(folder, path);
  mkdirSync(join(root, "bin"), { recursive: true });
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(join(root, "package.json"), '{"type":"module"}');
  copyFileSync(TL, join(root, "bin/tl.js"));
  if (main !== "") writeFileSync(join(root, "dist/main.js"), main);
  return join(root, "bin/tl.js");
}

function nodeIn(path: string): void {
  mkdirSync(join(folder, path, "node_modules/.bin"), { recursive: true });
  symlinkSync(process.execPath, join(folder, path, "node_modules/.bin/node"));
}

function run(args: readonly string[]): {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: folder });
}

test("a Node that is new enough runs the command itself", () => {
  const result = run([packageAt("p"), "a", "--b", "c d"]);
  expect(result.stderr).toBe("");
  expect(JSON.parse(result.stdout)).toEqual({ args: ["a", "--b", "c d"], marked: false });
});

test.each([
  ["of the repository", "p", "p"],
  ["of the project that depends on it", "app/node_modules/rootlift", "app"],
  ["of the workspace around it", "work/packages/p", "work"],
])("an old Node continues with the Node %s", (_where, packagePath, nodePath) => {
  const tl = packageAt(packagePath);
  nodeIn(nodePath);
  const result = run([...PRETEND_OLD, tl, "exit", "7", "", "c d"]);
  expect(result.stderr).toBe("");
  expect(JSON.parse(result.stdout)).toEqual({ args: ["exit", "7", "", "c d"], marked: false });
  expect(result.status).toBe(7);
});

test("an old Node without another one says which is needed", () => {
  const result = run([...PRETEND_OLD, packageAt("p")]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^Error: rootlift needs Node 22\.20\.0 or newer; this is Node 20\.9\.0\n/,
  );
  expect(result.stdout).toBe("");
});

test("when the Node found is too old as well, it says so instead of looking again", () => {
  const tl = packageAt("p");
  mkdirSync(join(folder, "p/node_modules/.bin"), { recursive: true });
  const node = join(folder, "p/node_modules/.bin/node");
  writeFileSync(
    node,
    `#!/bin/sh\nexec "${process.execPath}" "${PRETEND_OLD[0] ?? ""}" '${PRETEND_OLD[1] ?? ""}' "$@"\n`,
    { mode: 0o755 },
  );
  const result = run([...PRETEND_OLD, tl]);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("needs Node 22.20.0 or newer; this is Node 20.9.0");
});

test("a package that was not built says what to run", () => {
  const result = run([packageAt("p", "")]);
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(
    /^Error: rootlift is not built: .*main\.js is missing\n.*npm run build/,
  );
});

test("the signal that ended the command ends tl too", () => {
  const tl = packageAt("p");
  nodeIn("p");
  expect(run([...PRETEND_OLD, tl, "die", "SIGKILL"]).signal).toBe("SIGKILL");
});

test("a signal reaches the command, and its status comes back", async () => {
  const tl = packageAt("p");
  nodeIn("p");
  const command = startProcess(process.execPath, [...PRETEND_OLD, tl, "wait"]);
  await command.stdoutHas(/"wait"/);
  command.kill("SIGTERM");
  expect(await command.ended).toMatchObject({
    exitCode: 143,
    stdout: expect.stringMatching(/\ngot SIGTERM\n$/),
  });
});

test("tl.js has no syntax that Node 12 cannot parse", () => {
  const source = readFileSync(TL, "utf8").replaceAll(/\/\/.*|\/\*[\s\S]*?\*\//g, "");
  expect(source).not.toMatch(/\?\.|\?\?|\|\|=|&&=|\bstatic\s*\{|#\w+\s*[=(;]|^\s*await\b/m);
  expect(source).not.toMatch(/\.(at|replaceAll|flatMap|toSorted)\(|Object\.hasOwn/);
});
