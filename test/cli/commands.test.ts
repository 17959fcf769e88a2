import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { directoryEntry, fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { MAIN, runSource, startSource } from "../support/run-tl.ts";
import type { Ended } from "../support/running-process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";
import { startTestRegistry } from "../support/test-registry/test-registry.ts";

// Each run starts a Node that strips the types of all sources: half a second, more on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let image: TestImage;
let layout: string;
let reference: string;
beforeAll(async () => {
  image = {
    layers: [
      await makeLayer([directoryEntry("etc"), fileEntry("etc/hello", "hello\n")]),
      await makeLayer([fileEntry("etc/more", "more\n")]),
    ],
    config: { Env: ["PATH=/bin", "COLOUR=\u001B[31mred"], Cmd: ["/bin/sh"] },
  };
  layout = join(mkdtempSync(join(tmpdir(), "rootlift-cli-")), "layout");
  writeOciLayout(layout, "1.0", image);
  reference = `oci:${layout}:1.0`;
});
afterAll(() => {
  rmSync(join(layout, ".."), { recursive: true });
});

/** `tl sbx image …` on a store of its own. */
function imageCommand(home: string): (...args: readonly string[]) => Promise<Ended> {
  return async (...args) =>
    runSource(["sbx", "image", ...args], { ROOTLIFT_HOME: home, HOME: home });
}

test("import, ls, describe, register, rm: the texts that users of tl know", async () => {
  const tl = imageCommand(scratchDirectory());
  expect(await tl("ls")).toMatchObject({ exitCode: 0, stdout: "No images found.\n", stderr: "" });

  const imported = await tl("import", reference);
  expect(imported).toMatchObject({ exitCode: 0, stdout: "" });
  const lines = imported.stderr.trimEnd().split("\n");
  expect(lines.slice(0, 2)).toEqual([
    `⚙️  Importing registry image ${reference}...`,
    "⚙️  Selected image name: layout",
  ]);
  expect(lines.slice(-2)).toEqual([
    "⚙️  Completing image registration...",
    expect.stringMatching(/^⚙️ {2}Image 'layout' registered \(sandbox_template_[a-z0-9]{20}\)$/),
  ]);
  const id = /\((sandbox_template_[a-z0-9]{20})\)/.exec(imported.stderr)?.[1] ?? "";
  expect(imported.stderr).toMatch(/Resolved .* \(linux\/amd64, 2 layers, \d+ B\)\n/);
  expect(imported.stderr).toContain("⚙️  Layer 2 of 2 pulled and verified (");
  expect(imported.stderr).toMatch(
    /⚙️ {2}Pulled 2 layers, \d+ B in [\d.]+ s \([\d.]+ .?i?B\/s\), 3 entries\n/,
  );

  const described = await tl("desc", id);
  expect(described).toMatchObject({ exitCode: 0, stderr: "" });
  expect(described.stdout).toMatch(
    /^Name: {8}layout\nID: {10}sandbox_template_\w+\nSnapshot ID: snap_\w+\n/,
  );
  expect(described.stdout).toContain("RootfsDiskBytes: 10737418240 (10.0 GiB)\n");
  expect(described.stdout).toContain('  Cmd:         ["/bin/sh"]\n');
  expect(described.stdout).toContain(String.raw`    COLOUR=\x1b[31mred`);
  const snapshot = /Snapshot ID: (\w+)/.exec(described.stdout)?.[1] ?? "";

  const dockerfile = join(scratchDirectory(), "Dockerfile");
  writeFileSync(dockerfile, "FROM layout\r\nRUN true\n");
  const registered = await tl("reg", "team/my:image", snapshot, "--dockerfile", dockerfile);
  expect(registered.stdout).toMatch(
    new RegExp(
      String.raw`^Registered image 'team/my:image' -> snapshot ${snapshot} \(rootfs 10\.0 GiB\)\n` +
        String.raw`Template: sandbox_template_\w+\nfile:///\S+/rootfs\.ext4\n$`,
    ),
  );
  expect((await tl("describe", "team/my:image")).stdout).toContain(
    "\nDockerfile:\n  FROM layout\n  RUN true\nEntries:",
  );

  const listed = (await tl("list")).stdout.split("\n");
  expect(listed[1]).toMatch(/^│ Name {10}┆ ID {36}┆ Snapshot ID {15}│$/);
  expect(listed[3]).toMatch(/^│ layout {8}┆ sandbox_template_\w{20} ┆ snap_\w{20} │$/);
  expect(listed[4]).toMatch(/^│ team\/my:image ┆ /);
  expect(listed.slice(-2)).toEqual(["2 images", ""]);

  expect((await tl("rm", "layout")).stdout).toBe("Deleted image 'layout'.\n");
  expect((await tl("delete", "team/my:image")).stdout).toBe("Deleted image 'team/my:image'.\n");
  expect((await tl("ls")).stdout).toBe("No images found.\n");
});

test("--json prints records with sorted keys, and nothing else on stdout", async () => {
  const tl = imageCommand(scratchDirectory());
  expect((await tl("ls", "--json")).stdout).toBe("[]\n");
  const imported = await tl("import", reference, "--json");
  const record: Record<string, unknown> = JSON.parse(imported.stdout);
  expect(Object.keys(record)).toEqual(Object.keys(record).toSorted());
  expect(record).toMatchObject({ name: "layout", public: false, rootfsNodeKind: "base" });
  expect(imported.stdout).not.toContain("\u001B");
  expect(imported.stderr).toContain("Selected image name: layout");
  expect((await tl("ls", "--json")).stdout).toBe(`${JSON.stringify([record], undefined, 2)}\n`);
  expect((await tl("describe", "layout", "--json")).stdout).toBe(imported.stdout);
  expect(JSON.parse((await tl("rm", "layout", "--json")).stdout)).toEqual({
    deleted: true,
    name: "layout",
  });
});

test("projects have names of their own; --project and its variable choose", async () => {
  const home = scratchDirectory();
  const tl = imageCommand(home);
  expect((await tl("import", reference, "--project", "p", "--quiet")).stderr).toBe("");
  expect((await tl("ls")).stdout).toBe("No images found.\n");
  expect((await tl("ls", "--project", "p")).stdout).toContain("1 image\n");
  const env = { ROOTLIFT_HOME: home, TENSORLAKE_PROJECT_ID: "p" };
  expect((await runSource(["--debug", "sbx", "image", "ls"], env)).stdout).toContain("1 image\n");
});

test("failures: one line with the code, a hint, status 1; with --json an object as the last line", async () => {
  const tl = imageCommand(scratchDirectory());
  expect(await tl("describe", "nope")).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(/^Error: image 'nope' not found \[ERR_NOT_FOUND\]\n {2}\S/),
  });
  const removed = await tl("rm", "no\u001B[2Jpe", "--json");
  expect(removed).toMatchObject({ exitCode: 1, stdout: "" });
  expect(removed.stderr).not.toContain("\u001B");
  expect(JSON.parse(removed.stderr.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
    error: { code: "ERR_NOT_FOUND" },
  });
  const dockerfile = join(scratchDirectory(), "Dockerfile");
  expect(await tl("register", "a", "snap_1", "--dockerfile", dockerfile)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining(`Error: Dockerfile not found: ${dockerfile} [`),
  });
  writeFileSync(dockerfile, "FROM a\n");
  expect(await tl("register", "a", "snap_1", "--dockerfile", dockerfile)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("[ERR_NOT_FOUND]"),
  });
  expect(await tl("import", " ")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("image reference to import must not be empty"),
  });
  const empty = await tl("import", reference, "-n", "");
  expect(empty).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("[ERR_NAME_INVALID]"),
  });
});

test("usage errors end with 2 and leave stdout empty; help and version end with 0", async () => {
  const runs = await Promise.all([
    runSource(["sbx", "image", "import"]),
    runSource(["sbx", "image", "import", "a", "--bogus"]),
    runSource(["sbx", "image"]),
    runSource(["sbx", "image", "import", "--help"]),
    runSource(["--version"]),
  ]);
  expect(runs.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 0, 0]);
  expect(runs.slice(0, 3).map(({ stdout }) => stdout)).toEqual(["", "", ""]);
  expect(runs[2]?.stderr).toContain("Usage: tl sbx image [OPTIONS] <COMMAND>");
  expect(runs[3]?.stdout).toContain("Usage: tl sbx image import");
  expect(runs[4]?.stdout).toMatch(/^tl \d+\.\d+\.\d+\n$/);
});

async function complete(...words: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await runSource(["--get-yargs-completions", "tl", ...words]);
  return stdout.trimEnd().split("\n");
}

test("the shell's completion knows commands and options", async () => {
  expect(await complete("sbx", "image", "")).toEqual([
    "import",
    "register",
    "ls",
    "describe",
    "files",
    "verify",
    "export",
    "bench",
    "rm",
  ]);
  expect(await complete("sbx", "image", "import", "--re")).toEqual(
    expect.arrayContaining(["--registered-name", "--replace"]),
  );
  const script = await runSource(["completion"], { SHELL: "/bin/bash" });
  expect(script.stdout).toContain("tl --get-yargs-completions");
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s in mid-pull: the import cleans up and ends with %i", async (signal, status) => {
  await using registry = await stallingRegistry();
  const home = scratchDirectory();
  const command = startSource(["sbx", "image", "import", `${registry.host}/team/app:1`], {
    ROOTLIFT_HOME: home,
    HOME: home,
  });
  await command.stderrHas(/Resolved /);
  await registry.stalled;
  command.kill(signal);
  // npm and the shell deliver one Ctrl-C twice: that is no second wish.
  command.kill(signal);
  expect(await command.ended).toMatchObject({
    exitCode: status,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(`${signal}: cleaning up[^]*\\[ERR_CANCELLED\\]`)),
  });
  expect(storeListing(home)).toMatchObject({ snapshots: [], ingests: [] });
});

test("a reader that goes away silences its stream, and the import goes on", async () => {
  const home = scratchDirectory();
  const env = { ROOTLIFT_HOME: home, HOME: home };
  const command = startSource(["sbx", "image", "import", reference], env);
  command.closeReader("stderr");
  command.closeReader("stdout");
  expect(await command.ended).toMatchObject({ exitCode: 0, stderr: "" });
  const listing = startSource(["sbx", "image", "ls"], env);
  listing.closeReader("stdout");
  expect(await listing.ended).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await runSource(["sbx", "image", "ls"], env)).stdout).toContain("1 image\n");
});

test("a result that cannot be written is a failure", () => {
  const full = openSync("/dev/full", "w");
  try {
    const run = spawnSync(process.execPath, [MAIN, "--version"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^Error: cannot write to stdout: .*ENOSPC/);
  } finally {
    closeSync(full);
  }
});

interface StallingRegistry extends AsyncDisposable {
  readonly host: string;
  /** A layer was asked for. */
  readonly stalled: Promise<void>;
}

/** Gives the image, but of its layers only the first bytes. */
async function stallingRegistry(): Promise<StallingRegistry> {
  const registry = await startTestRegistry();
  await registry.addImage("team/app", "1", image);
  for (const layer of image.layers) {
    const { digest } = await registry.addBlob(layer.bytes);
    registry.faults.add({ on: "blob", digest, kind: "stall", afterBytes: 20 });
  }
  const isAsked = (): boolean =>
    registry.requests.filter(({ path }) => path.includes("/blobs/")).length > 1;
  return {
    host: registry.host,
    stalled: (async () => {
      while (!isAsked()) await new Promise((resolve) => setTimeout(resolve, 20));
    })(),
    [Symbol.asyncDispose]: async () => registry.close(),
  };
}
