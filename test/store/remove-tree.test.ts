import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeWorkspace } from "../../src/store/remove-tree.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

const ROOT = process.getuid?.() === 0;
const NOBODY = 65534;

function shell(script: string, cwd: string, options: { readonly uid?: number } = {}): void {
  const run = spawnSync("bash", ["-euc", script], { cwd, encoding: "utf8", ...options });
  if (run.status !== 0) throw new Error(run.stderr);
}

test("a tree goes with all kinds of entries", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(path);
  shell(`mkdir -p a/b/c d/e; echo x >a/f; ln a/f d/g; ln -s f a/l; mkfifo d/p; echo >top`, path);
  await removeWorkspace(path);
  expect(existsSync(path)).toBe(false);
});

test("what is not there needs no removal", async () => {
  const removal = removeWorkspace(join(scratchDirectory(), "nothing"));
  await expect(removal).resolves.toBeUndefined();
});

test("symbolic links are removed, never followed", async () => {
  const scratch = scratchDirectory();
  const path = join(scratch, "w");
  mkdirSync(join(path, "sub"), { recursive: true });
  writeFileSync(join(scratch, "precious"), "kept");
  mkdirSync(join(scratch, "outside"));
  writeFileSync(join(scratch, "outside", "file"), "kept");
  symlinkSync("../outside", join(path, "link"));
  symlinkSync("../../precious", join(path, "sub", "link"));
  symlinkSync("/", join(path, "sub", "root"));
  await removeWorkspace(path);
  expect(readFileSync(join(scratch, "outside", "file"), "utf8")).toBe("kept");
  expect(readFileSync(join(scratch, "precious"), "utf8")).toBe("kept");
});

test("a workspace that is a symbolic link is refused", async () => {
  const scratch = scratchDirectory();
  mkdirSync(join(scratch, "outside"));
  writeFileSync(join(scratch, "outside", "file"), "kept");
  symlinkSync("outside", join(scratch, "w"));
  const error = await importErrorFrom(removeWorkspace(join(scratch, "w")));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(readdirSync(join(scratch, "outside"))).toEqual(["file"]);
});

test("a tree far deeper than PATH_MAX goes", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(path);
  const component = "d".repeat(200);
  shell(
    `for i in $(seq 300); do mkdir ${component}; echo x >${component}.f; cd ${component}; done`,
    path,
  );
  await removeWorkspace(path);
  expect(existsSync(path)).toBe(false);
});

test("names that are no UTF-8, or begin with a dash, go", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(path);
  shell(
    String.raw`mkdir $'\xff\xfe' $'\xff\xfe/\xc3' ./-rf; touch $'\xff\xfe/\xc3/\x01\xe9' $'a\nb'`,
    path,
  );
  await removeWorkspace(path);
  expect(existsSync(path)).toBe(false);
});

test("directories without permissions go, without root too", async () => {
  const scratch = scratchDirectory();
  const path = join(scratch, "w");
  mkdirSync(path, { mode: 0o700 });
  const uid = ROOT ? { uid: NOBODY } : {};
  if (ROOT) {
    chownSync(path, NOBODY, NOBODY);
    chmodSync(scratch, 0o755);
  }
  shell(
    "mkdir -p a/b/c e; touch a/b/c/f a/b/f; chmod 0 a/b/c; chmod 0555 a/b; chmod 0 a e",
    path,
    uid,
  );
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", removalOf(path)], {
    encoding: "utf8",
    ...uid,
  });
  expect(run.stderr).toBe("");
  // The directory above may not be nobody's to write: then the workspace itself stays, empty.
  expect(existsSync(path) ? readdirSync(path) : []).toEqual([]);
});

test("a wide tree goes while the event loop turns", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(path);
  shell("for i in $(seq 50); do mkdir -p $i/x; (cd $i; touch $(seq 100)); done", path);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  await removeWorkspace(path);
  clearInterval(timer);
  expect(existsSync(path)).toBe(false);
  expect(turns).toBeGreaterThan(2);
});

test("two removals of one tree do not disturb each other", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(path);
  shell("for i in $(seq 30); do mkdir -p $i/x/y; (cd $i/x; touch $(seq 50)); done", path);
  await Promise.all([removeWorkspace(path), removeWorkspace(path), removeWorkspace(path)]);
  expect(existsSync(path)).toBe(false);
});

test("a workspace that others could write is made private first", async () => {
  const path = join(scratchDirectory(), "w");
  mkdirSync(join(path, "a"), { recursive: true });
  chmodSync(path, 0o777);
  const seen: number[] = [];
  const timer = setInterval(() => {
    if (existsSync(path)) seen.push(statSync(path).mode & 0o777);
  }, 0);
  shell("cd a; touch $(seq 2000)", path);
  await removeWorkspace(path);
  clearInterval(timer);
  expect(new Set(seen)).toEqual(new Set([0o700]));
});

test("what is mounted inside is never entered, and all the rest goes", () => {
  const scratch = scratchDirectory();
  const path = join(scratch, "w");
  const outside = join(scratch, "outside");
  mkdirSync(join(path, "rootfs/home/mounted"), { recursive: true });
  mkdirSync(join(path, "mounted-too"));
  mkdirSync(outside);
  writeFileSync(join(outside, "precious"), "kept");
  writeFileSync(join(path, "rootfs/home/file"), "");
  const script = `mount --bind ${outside} ${path}/rootfs/home/mounted
    mount --bind ${outside} ${path}/mounted-too
    "$0" --input-type=module -e '${removalOf(path)}'`;
  // In a mount namespace of its own: the mounts end with it.
  const namespaces = ROOT ? ["--mount"] : ["--map-root-user", "--mount"];
  const run = spawnSync("unshare", [...namespaces, "bash", "-euc", script, process.execPath], {
    encoding: "utf8",
  });
  expect(run.stderr).toBe("");
  expect(run.stdout).toMatch(/^ERR_STORE_IO cannot remove .*: it is in use, or a mount point\n$/);
  expect(readFileSync(join(outside, "precious"), "utf8")).toBe("kept");
  expect(spawnSync("find", [path, "-type", "f"], { encoding: "utf8" }).stdout).toBe("");
});

/** A program that removes the workspace, and prints the error when there is one. */
function removalOf(path: string): string {
  const module = join(import.meta.dirname, "../../src/store/remove-tree.ts");
  return `import { removeWorkspace } from ${JSON.stringify(module)};
    await removeWorkspace(${JSON.stringify(path)}).catch((error) => {
      console.log(error.code, error.message);
    });`;
}
