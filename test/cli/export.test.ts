import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { importSandboxImage } from "../../src/index.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { MAIN, runSource, startSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";

let work: string;
let env: { readonly ROOTLIFT_HOME: string; readonly HOME: string };

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-cli-export-"));
  const home = join(work, "home");
  env = { ROOTLIFT_HOME: home, HOME: home };
  const layer = await makeLayer([
    fileEntry("hello", "hello\n"),
    fileEntry("large", Buffer.alloc(4 << 20, "large")),
  ]);
  writeOciLayout(join(work, "app"), "1", { layers: [layer] });
  await importSandboxImage(`oci:${join(work, "app")}:1`, { home, format: "dir", fsync: false });
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

const exportApp = (...args: readonly string[]) =>
  runSource(["sbx", "image", "export", "app", ...args], env);

test("an archive in a file: what is done on stderr, what was written as JSON on stdout", async () => {
  const path = join(scratchDirectory(), "app.tar");
  const run = await exportApp("-o", path, "--json");
  expect(run.exitCode).toBe(0);
  expect(run.stderr.split("\n")).toEqual([
    "⚙️  Exporting image 'app' (dir)...",
    expect.stringMatching(/^⚙️ {2}Image 'app' exported to \S+app.tar \(3 entries, \d+ bytes\)$/),
    "",
  ]);
  expect(JSON.parse(run.stdout)).toMatchObject({ name: "app", format: "tar", path, entries: 3 });
});

test("an archive on stdout is the same bytes", async () => {
  const path = join(scratchDirectory(), "app.tar");
  expect((await exportApp("--output", path, "--quiet")).stderr).toBe("");
  const piped = spawnSync(
    process.execPath,
    [MAIN, "sbx", "image", "export", "app", "-o", "-", "--quiet"],
    { env: { ...process.env, ...env }, maxBuffer: 64 << 20 },
  );
  expect(piped.status).toBe(0);
  expect(piped.stdout.equals(readFileSync(path))).toBe(true);
});

test("a reader that goes away ends the export with 1 and one line that says so", async () => {
  const command = startSource(["sbx", "image", "export", "app", "-o", "-"], env);
  command.closeReader("stdout");
  expect(await command.ended).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(
      /\nError: the archive is incomplete: .* went away .*\[ERR_OUTPUT_IO\]\n/,
    ),
  });
});

test("a signal ends an export whose reader does not read", async () => {
  const child = spawn(process.execPath, [MAIN, "sbx", "image", "export", "app", "-o", "-"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  // The first bytes are there and nobody takes them.
  await once(child.stdout, "readable");
  child.kill("SIGINT");
  await once(child, "exit");
  expect([child.exitCode, child.signalCode]).toEqual([130, null]);
  expect(said).toContain("SIGINT: cleaning up");
  expect(said).toContain("Error: cancelled by SIGINT [ERR_CANCELLED]\n  Nothing was exported.\n");
});

test.each([
  [[], "missing option --output <PATH>"],
  [["-o", ""], 'invalid value "" for --output'],
  [["-o", "x", "--format", "zip"], 'invalid value "zip" for --format: it must be tar or dir'],
  [["-o", "-", "--format", "dir"], "a directory cannot go to stdout"],
  [["-o", "-", "--json"], "--json and --output - cannot both have stdout"],
  [["-o", "-", "--replace"], "--replace is for an archive in a file"],
  [["-o", "x", "--format", "dir", "--replace"], "--replace is for an archive in a file"],
])("the command line %j is refused", async (args, why) => {
  const run = await exportApp(...args);
  expect([run.exitCode, run.stdout]).toEqual([2, ""]);
  expect(run.stderr).toContain(`Error: ${why}`);
});

test("an archive is not sent to a terminal", () => {
  // `script` gives the command a terminal for stdout.
  const command = `'${process.execPath}' '${MAIN}' sbx image export app -o -`;
  const run = spawnSync("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  expect(run.status).toBe(2);
  expect(run.stdout).toContain("an archive is not for a terminal; redirect or pipe it");
});

test("a directory is exported beside nothing else", async () => {
  const out = scratchDirectory();
  const run = await exportApp("--format", "dir", "-o", join(out, "rootfs"), "--no-fsync");
  expect(run.exitCode).toBe(0);
  expect(readdirSync(out)).toEqual(["rootfs"]);
  expect(readdirSync(join(out, "rootfs")).toSorted()).toEqual(["hello", "large"]);
});
