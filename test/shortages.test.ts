import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, afterAll, expect, test } from "vitest";
import { tmpdir } from "node:os";
import { holdMount } from "./support/loop-mount.ts";
import { directoryEntry, fileEntry, makeLayer } from "./support/make-layer.ts";
import { writeOciLayout } from "./support/oci-layout.ts";
import { mustRun, runProgram, type ProgramRun } from "./support/run-program.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { storeListing } from "./support/store-listing.ts";

// What a machine may lack besides room on its disk: open files, large files, the right to write, streams. As root.

const TL = resolve(import.meta.dirname, "../bin/tl.js");
const LAYERS = 100;
const NOBODY = 65_534;

let work: string;
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-shortages-"));
  // Also for the user of a test who is not root.
  chmodSync(work, 0o755);
  const layers = await Promise.all(
    Array.from({ length: LAYERS }, (_, layer) =>
      makeLayer([
        directoryEntry(`d${layer}`),
        fileEntry(`d${layer}/own`, `${layer}`.repeat(3000)),
        fileEntry("shared", `${layer}`),
      ]),
    ),
  );
  writeOciLayout(join(work, "hundred"), "1", { layers });
  writeOciLayout(join(work, "app"), "1", {
    layers: [await makeLayer([fileEntry("file", "contents\n")])],
  });
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** With these words before it: `prlimit …`, `setpriv …`. */
function limited(
  words: readonly string[],
  args: readonly string[],
  home: string,
): Promise<ProgramRun> {
  const [program = "", ...rest] = [...words, process.execPath, TL, ...args];
  return runProgram(program, rest, { env: { HOME: home, ROOTLIFT_HOME: home } });
}

function importOf(image: string, ...more: readonly string[]): readonly string[] {
  return ["sbx", "image", "import", `oci:${join(work, image)}:1`, "--disk_mb", "64", ...more];
}

/** A shell line about the command, `"$@"`, with a registered image `app` in the store. */
async function shell(script: string, args: readonly string[], home: string): Promise<ProgramRun> {
  return limited(["bash", "-c", script, "bash"], args, home);
}

test.each(["ext4", "erofs", "dir", "tar"])(
  "with 64 open files an image of a hundred layers is imported as %s and exported",
  async (format) => {
    const home = scratchDirectory();
    const few = ["prlimit", "--nofile=64:64"];
    const args = importOf("hundred", "--format", format, "--quiet");
    expect(await limited(few, args, home)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    const archive = join(home, "..", `${format}-${process.pid}.tar`);
    const exporting = ["sbx", "image", "export", "hundred", "-o", archive, "--quiet"];
    expect(await limited(few, exporting, home)).toMatchObject({ exitCode: 0 });
    const listed = await mustRun("tar", ["-xOf", archive, "d99/own", "shared"]);
    rmSync(archive);
    expect(listed).toBe(`${"99".repeat(3000)}99`);
  },
);

test("where no file may become large enough, the import says so and leaves nothing", async () => {
  const home = scratchDirectory();
  for (const format of ["ext4", "tar"]) {
    const args = importOf("hundred", "--format", format, "--quiet");
    const run = await limited(["prlimit", `--fsize=${1 << 18}`], args, home);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/no file may become that large \(EFBIG\) \[ERR_LIMIT_EXCEEDED\]/);
    expect(run.stderr).toContain("ulimit -f");
    expect(storeListing(home)).toEqual({ snapshots: [], ingests: [], other: [] });
  }
});

test("a store on a file system that is mounted read-only is read by every command, and an import says that it is", async () => {
  const mount = await holdMount({ type: "tmpfs", options: "size=64m", source: "none" });
  try {
    const home = join(mount.mountPoint, "home");
    const inside = ["nsenter", "--target", `${mount.pid}`, "--mount", "--"];
    const tl = (args: readonly string[]) => limited(inside, args, home);
    expect(await tl(importOf("app", "--quiet"))).toMatchObject({ exitCode: 0 });
    await mustRun("nsenter", [...inside.slice(1), "mount", "-o", "remount,ro", mount.mountPoint]);
    for (const command of [
      "sbx image ls",
      "sbx image describe app",
      "sbx image verify app",
      "sbx image files app /file",
      "sbx image export app -o -",
      "store check",
      "store du",
      "store gc",
    ]) {
      const { exitCode, stderr } = await tl(command.split(" "));
      expect([command, exitCode, stderr.includes("Error")]).toEqual([command, 0, false]);
    }
    const importing = await tl(importOf("app", "--quiet", "-n", "other"));
    expect(importing.exitCode).toBe(1);
    expect(importing.stderr).toMatch(
      /^Error: cannot write to the store at .*home\/ingest: the file system is read-only \[ERR_STORE_IO\]/,
    );
    expect((await tl(["sbx", "image", "rm", "app"])).stderr).toMatch(/\[ERR_STORE_IO\]/);
  } finally {
    await mount.release();
  }
});

test("another user's store is read where its modes let it, and else refused with whose it has to be", async () => {
  const home = join(scratchDirectory(), "home");
  mkdirSync(home);
  await mustRun("chmod", ["755", join(home, "..")]);
  expect(await limited(["env"], importOf("app", "--quiet"), home)).toMatchObject({ exitCode: 0 });
  const nobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  await mustRun("chmod", ["700", home]);
  const refused = await limited(nobody, ["sbx", "image", "ls"], home);
  expect(refused.stderr).toMatch(/permission denied \[ERR_STORE_IO\]\n.*\n {2}Run as the user/);
  await mustRun("chmod", ["-R", "a+rX", home]);
  const listed = await limited(nobody, ["sbx", "image", "ls", "--json"], home);
  expect(listed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('"app"') });
  expect((await limited(nobody, ["sbx", "image", "verify", "app"], home)).exitCode).toBe(0);
  const importing = await limited(nobody, importOf("app", "--quiet", "-n", "other"), home);
  expect(importing.stderr).toMatch(
    /^Error: cannot write to the store at .*: permission denied \[ERR_STORE_IO\]/,
  );
});

test.each(["000", "077"])(
  "under umask %s the store is for its owner only, and the tree as the image has it",
  async (umask) => {
    const home = join(scratchDirectory(), "home");
    const args = importOf("app", "--format", "dir", "--quiet");
    expect(await shell(`umask ${umask}; exec "$@"`, args, home)).toMatchObject({ exitCode: 0 });
    for (const name of [".", "catalog.db", "snapshots", "ingest"]) {
      expect([name, statSync(join(home, name)).mode & 0o077]).toEqual([name, 0]);
    }
    const found = await mustRun("find", [home, "-name", "file", "-printf", "%m"]);
    expect(found).toBe("644");
  },
);

test("closed streams, one that is full and one that nobody reads end with the right status", async () => {
  const home = join(scratchDirectory(), "home");
  const json = (name: string) => importOf("app", "--quiet", "--json", "-n", name);
  const exporting = ["sbx", "image", "export", "app", "-o", "-", "--quiet"];
  expect(await shell('exec "$@" <&- >&- 2>&-', importOf("app"), home)).toMatchObject({
    exitCode: 0,
  });
  const full = await shell('exec "$@" >/dev/full', json("full"), home);
  expect(full).toMatchObject({ exitCode: 1 });
  expect(full.stderr).toMatch(/^Error: cannot write to stdout: ENOSPC/);
  expect(await shell('exec "$@" 2>/dev/full', importOf("app", "-n", "mute"), home)).toMatchObject({
    exitCode: 0,
  });
  const archive = await shell('exec "$@" >/dev/full', exporting, home);
  expect(archive).toMatchObject({ exitCode: 1 });
  expect(archive.stderr).toMatch(/the archive is incomplete: .*\[ERR_OUTPUT_IO\]/);
  const names = (await limited(["env"], ["sbx", "image", "ls", "--json"], home)).stdout;
  for (const name of ["app", "full", "mute"]) expect(names).toContain(`"${name}"`);
  const piped = await shell('"$@" | true; exit ${PIPESTATUS[0]}', ["sbx", "image", "ls"], home);
  expect(piped).toMatchObject({ exitCode: 0, stderr: "" });
});
