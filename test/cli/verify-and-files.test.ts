import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { terminalText } from "../../src/cli/terminal-text.ts";
import { describeSandboxImage, importSandboxImage } from "../../src/index.ts";
import { overwrite } from "../support/damaged-image.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { MAIN, runSource, startSource } from "../support/run-tl.ts";

const LARGE = Buffer.from(Array.from({ length: 700_000 }, (_, n) => n % 256));

let work: string;
let env: { readonly ROOTLIFT_HOME: string; readonly HOME: string };

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-cli-files-"));
  const home = join(work, "home");
  env = { ROOTLIFT_HOME: home, HOME: home };
  const layer = await makeLayer([
    directoryEntry("etc"),
    { ...fileEntry("etc/shadow", "root:*\n", 0o4640), uid: 5, gid: 42 },
    directoryEntry("tmp", 0o1777),
    symlinkEntry("link", "etc/shadow"),
    { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    fileEntry("red\u001B[31m", "\u001B[31mred\n"),
    fileEntry("large", LARGE),
  ]);
  writeOciLayout(join(work, "app"), "1", { layers: [layer] });
  await importSandboxImage(`oci:${join(work, "app")}:1`, {
    home,
    format: "ext4",
    diskMb: 64,
    fsync: false,
  });
  await importSandboxImage(`oci:${join(work, "app")}:1`, {
    home,
    format: "erofs",
    registeredName: "read-only",
    fsync: false,
  });
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

const image = (...args: readonly string[]) => runSource(["sbx", "image", ...args], env);

test("files lists a directory like ls -l, with nothing that a terminal would obey", async () => {
  const { stdout, stderr, exitCode } = await image("files", "app");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout.split("\n").filter((line) => !line.includes("lost+found"))).toEqual([
    "drwxr-xr-x   2     0     0           0 2026-01-01 00:00 etc",
    "-rw-r--r--   1     0     0      700000 2026-01-01 00:00 large",
    "lrwxrwxrwx   1     0     0          10 2026-01-01 00:00 link -> etc/shadow",
    "crw-rw-rw-   1     0     0        1, 3 2026-01-01 00:00 null",
    String.raw`-rw-r--r--   1     0     0           9 2026-01-01 00:00 red\x1b[31m`,
    "drwxrwxrwt   2     0     0           0 2026-01-01 00:00 tmp",
    "",
  ]);
});

test("files with --recursive lists what is below, by whole paths", async () => {
  const { stdout } = await image("files", "app", "/etc/..", "-R");
  expect(stdout).toContain("-rwSr-----   1     5    42           7 2026-01-01 00:00 /etc/shadow\n");
  expect(stdout).toContain(" /etc\n");
});

test("files prints a file as it is, through links", async () => {
  expect((await image("files", "app", "link")).stdout).toBe("root:*\n");
  const { stdout } = spawnSync(process.execPath, [MAIN, "sbx", "image", "files", "app", "/large"], {
    env: { ...process.env, ...env },
    maxBuffer: 1 << 24,
  });
  expect(stdout.equals(LARGE)).toBe(true);
});

test("files of a device is its line; --json of a file is what is known of it", async () => {
  expect((await image("files", "app", "/null")).stdout).toBe(
    "crw-rw-rw-   1     0     0        1, 3 2026-01-01 00:00 /null\n",
  );
  const one = JSON.parse((await image("files", "app", "/link", "--json")).stdout);
  expect(one).toEqual([expect.objectContaining({ path: "/etc/shadow", mode: 0o4640, gid: 42 })]);
  const all: unknown[] = JSON.parse((await image("files", "app", "--json", "-R")).stdout);
  expect(all).toHaveLength(8);
  expect(JSON.parse((await image("files", "app", "/tmp", "--json")).stdout)).toEqual([]);
});

test("files of what is not there fails with its code", async () => {
  const { stdout, stderr, exitCode } = await image("files", "app", "/no/such", "--json");
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
  expect(stderr.split("\n")[0]).toBe('Error: "/no/such" is not in the image [ERR_NOT_FOUND]');
  const usage = await image("files");
  expect(usage.exitCode).toBe(2);
  expect(usage.stderr).toContain("missing argument <NAME_OR_ID>");
  expect((await image("files", "app", "/", "more")).exitCode).toBe(2);
});

test("a reader that goes away ends files without a word", async () => {
  const command = startSource(["sbx", "image", "files", "app", "/large"], env);
  command.closeReader("stdout");
  expect(await command.ended).toMatchObject({ exitCode: 0, stderr: "" });
});

async function* chunks(): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.concat([
    Buffer.from("\u001B[31m\tré"),
    Buffer.of(0xff),
    Buffer.from("\r\n"),
  ]);
  // A character is cut in two.
  yield bytes.subarray(0, 8);
  yield bytes.subarray(8);
}

test("on a terminal a file's control characters are escaped, its line ends and tabs are not", async () => {
  const shown: Uint8Array[] = [];
  for await (const chunk of terminalText(chunks())) shown.push(chunk);
  expect(Buffer.concat(shown).toString()).toBe("\\x1b[31m\tré\\u{fffd}\\x0d\n");
});

test("verify says that an image is sound, and how much was looked at", async () => {
  const { stdout, stderr, exitCode } = await image("verify", "app");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  expect(stdout).toMatch(
    /^Image 'app' is sound \(9 inodes, [\d,]+ of 16,384 blocks in use, [\d.]+ [KM]iB as imported\)\.\n$/,
  );
  expect(JSON.parse((await image("verify", "app", "--json")).stdout)).toMatchObject({
    sound: true,
    damage: [],
  });
});

test("verify names the damaged file, exits with 1 and its code, with the report on stdout", async () => {
  const { path } = await describeSandboxImage("app", { home: env.ROOTLIFT_HOME });
  const at = readFileSync(path).indexOf(LARGE.subarray(0, 4096));
  const undo = overwrite(path, at, Buffer.of(1));
  const text = await image("verify", "app");
  const json = await image("verify", "app", "--json");
  undo();
  expect(text.exitCode).toBe(1);
  // Neighbours in a run of blocks share its checksum.
  expect(text.stdout).toMatch(
    /^data \(\/etc\/shadow, inode \d+, block \d+\): the bytes of blocks \d+ to \d+ are not what was imported; also of inode \d+ \(\/large\), /,
  );
  expect(text.stderr).toBe(
    "Error: image 'app' is damaged: 1 problem [ERR_SNAPSHOT_DAMAGED]\n  Import it again with --replace.\n",
  );
  expect(JSON.parse(json.stdout)).toMatchObject({
    sound: false,
    damageCount: 1,
    damage: [{ what: "data" }],
  });
  expect(JSON.parse(json.stderr.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({
    error: { code: "ERR_SNAPSHOT_DAMAGED", details: { damageCount: 1 } },
  });
  expect((await image("verify", "app")).exitCode).toBe(0);
});

test("an EROFS image is listed, printed, exported and verified like any other", async () => {
  const all = (await image("files", "app", "-R")).stdout;
  const listed = await image("files", "read-only", "-R");
  expect(listed).toMatchObject({ stderr: "", exitCode: 0 });
  expect(listed.stdout.split("\n")).toEqual(
    all.split("\n").filter((line) => !line.includes("lost+found")),
  );
  expect((await image("files", "read-only", "link")).stdout).toBe("root:*\n");
  const [ours, theirs] = [join(work, "erofs.tar"), join(work, "ext4.tar")];
  expect((await image("export", "read-only", "-o", ours)).exitCode).toBe(0);
  expect((await image("export", "app", "-o", theirs)).exitCode).toBe(0);
  expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
  expect((await image("verify", "read-only")).stdout).toMatch(
    /^Image 'read-only' is sound \(8 inodes, [\d,]+ of [\d,]+ blocks in use, [\d.]+ [KM]iB as imported\)\.\n$/,
  );
  const { path } = await describeSandboxImage("read-only", { home: env.ROOTLIFT_HOME });
  const at = readFileSync(path).indexOf(LARGE.subarray(0, 4096));
  overwrite(path, at, Buffer.of(1));
  const damaged = await image("verify", "read-only");
  expect(damaged.exitCode).toBe(1);
  expect(damaged.stdout).toMatch(/^data \(\/.*: the bytes of blocks .* not what was imported/);
  expect(damaged.stdout).toContain("/large");
});
