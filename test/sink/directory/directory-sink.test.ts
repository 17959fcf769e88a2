import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  createDirectorySink,
  type DirectorySinkOptions,
} from "../../../src/sink/directory/directory-sink.ts";
import type { SealTask, SealedRootfs } from "../../../src/sink/sink.ts";
import { createPlacer, runSealTask } from "../../../src/pool/worker-side.ts";
import { importErrorFrom } from "../../support/import-error.ts";
import { readDirectory, setRawXattr } from "../../support/read-directory.ts";
import { placeWith, sealContext } from "../../support/seal-in-thread.ts";
import {
  assortedEntries,
  expectedNames,
  isRoot,
  sinkContract,
  type SinkUnderTest,
} from "../../support/sink-contract.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";
import { aclBytes } from "../../support/xattr-values.ts";

const OWN = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const places: string[] = [];
afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true });
});

/** Where thousands of files cost little; a tmpfs may lack xattrs. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

function stagingPlace(above: string = tmpdir()): string {
  const place = mkdtempSync(join(above, "rootlift-sink-"));
  places.push(place);
  return place;
}

function directorySink(): SinkUnderTest {
  const staging = mkdtempSync(join(tmpdir(), "rootlift-sink-"));
  const rootfsPath = join(staging, "rootfs");
  return {
    sink: createDirectorySink({ rootfsPath, sameOwner: isRoot }),
    createPlacer,
    runTask: runSealTask,
    read: () => readDirectory(rootfsPath),
    staged: () => readdirSync(staging),
    cancelledRun: 2,
    cleanUp: () => rmSync(staging, { recursive: true }),
  };
}

sinkContract("directory", directorySink);

interface Sealing extends Partial<DirectorySinkOptions> {
  readonly runTasks?: (tasks: readonly SealTask[]) => Promise<readonly unknown[]>;
}

/** Prepares, places and seals; the root filesystem stays for a look. */
async function sealAt(
  rootfsPath: string,
  entries: readonly TreeEntry[],
  { runTasks, ...options }: Sealing = {},
): Promise<SealedRootfs> {
  const sink = createDirectorySink({ rootfsPath, sameOwner: isRoot, ...options });
  await sink.prepare();
  const placer = createPlacer(sink.placerPlan(0));
  try {
    const tree = buildTree(entries, placeWith(placer));
    const context = sealContext(runSealTask);
    return await sink.seal(tree, runTasks === undefined ? context : { ...context, runTasks });
  } catch (error) {
    placer.close();
    await sink.abort();
    throw error;
  } finally {
    placer.close();
  }
}

/** An ordinary user's implied directories are his own. */
function owned(entries: readonly TreeEntry[]): TreeEntry[] {
  return [{ path: "", type: "directory" as const }, ...entries].map((entry) =>
    Object.assign({}, OWN, entry),
  );
}

test("an ordinary user is refused before anything is pulled, unless owners may be left out", async () => {
  const staging = stagingPlace();
  const rootfsPath = join(staging, "rootfs");
  const sink = createDirectorySink({ rootfsPath, sameOwner: true, isRoot: false });
  const error = await importErrorFrom(sink.prepare());
  expect(error.code).toBe("ERR_NOT_PERMITTED");
  expect(error.hint).toMatch(/root.*ext4.*--no-same-owner/);
  expect(readdirSync(staging)).toEqual([]);
  await createDirectorySink({ rootfsPath, sameOwner: false, isRoot: false }).prepare();
});

test("a place that is not there, and one that is taken, are refused; abort leaves the latter alone", async () => {
  const staging = stagingPlace();
  const missing = createDirectorySink({ rootfsPath: join(staging, "no", "x"), sameOwner: isRoot });
  expect((await importErrorFrom(missing.prepare())).code).toBe("ERR_OUTPUT_IO");
  await missing.abort();

  writeFileSync(join(staging, "file"), "");
  const below = createDirectorySink({ rootfsPath: join(staging, "file", "x"), sameOwner: isRoot });
  expect((await importErrorFrom(below.prepare())).code).toBe("ERR_OUTPUT_IO");
  await below.abort();

  const taken = join(staging, "taken");
  mkdirSync(taken);
  writeFileSync(join(taken, "mine"), "mine");
  const sink = createDirectorySink({ rootfsPath: taken, sameOwner: isRoot });
  expect((await importErrorFrom(sink.prepare())).code).toBe("ERR_OUTPUT_EXISTS");
  await sink.abort();
  expect(readdirSync(taken)).toEqual(["mine"]);
});

test("neither a set-group-id bit nor a default ACL of the staging place comes into the tree", async () => {
  const staging = stagingPlace();
  if (isRoot) chownSync(staging, 0, 4242);
  chmodSync(staging, 0o2777);
  // user::rwx user:1000:rwx group::r-x mask::rwx other::--- (acl(5)).
  const acl = aclBytes([
    [1, 7],
    [2, 7, 1000],
    [4, 5],
    [0x10, 7],
    [0x20, 0],
  ]);
  setRawXattr(staging, "system.posix_acl_default", acl);
  const entries = assortedEntries();
  await sealAt(join(staging, "rootfs"), entries);
  expect(readDirectory(join(staging, "rootfs"))).toEqual(expectedNames(entries));
});

test("owners, times and attributes of a symlink never reach what it points to", async () => {
  const staging = stagingPlace();
  const canary = join(staging, "canary");
  writeFileSync(canary, "untouched", { mode: 0o640 });
  const before = statSync(canary, { bigint: true });
  const entries = owned([
    { path: "etc", type: "symlink", target: canary, mtime: [5, 0], uid: isRoot ? 99 : OWN.uid },
    { path: "etc.d", type: "directory", mode: 0o700, mtime: [6, 0] },
    { path: "etc.d/x", type: "file", content: Buffer.from("x") },
    {
      path: "marked",
      type: "symlink",
      target: canary,
      mtime: [7, 0],
      xattrs: { "user.mark": Buffer.from("1") },
    },
    { path: "zz/again", type: "hardlink", target: "marked" },
    { path: "zz", type: "directory" },
  ]);
  const { omissions } = await sealAt(join(staging, "rootfs"), entries);
  // Linux keeps no user.* on a symlink.
  expect(omissions).toEqual(["marked: user.mark left out (EPERM)"]);
  const kept = entries.map((entry) => Object.assign({}, entry, { xattrs: {} }));
  expect(readDirectory(join(staging, "rootfs"))).toEqual(expectedNames(kept));
  expect(statSync(canary, { bigint: true })).toEqual(before);
});

test("paths that Linux cannot say in one call are written, and removed", async () => {
  const staging = stagingPlace();
  // Through links of the image, a path of 4,095 bytes names one that is longer when they are resolved.
  const components = Array.from({ length: 80 }, (_, index) => `${index}`.padStart(120, "d"));
  const entries = owned(
    components.map((_, index) => ({
      path: components.slice(0, index + 1).join("/"),
      type: "directory" as const,
      mode: 0o500,
      mtime: [index, index],
    })),
  );
  const deepest = components.join("/");
  const file = {
    path: `${deepest}/f`,
    type: "file",
    content: Buffer.from("deep"),
    ...OWN,
  } as const;
  entries.push(file, { path: "first", type: "hardlink", target: file.path });
  // Siblings behind the deep end: the way back up leads through directories that were closed meanwhile.
  for (const depth of [70, 40, 3]) {
    entries.push({ ...file, path: `${components.slice(0, depth).join("/")}/sibling` });
  }
  const rootfsPath = join(staging, "rootfs");
  await sealAt(rootfsPath, entries);
  expect(readDirectory(rootfsPath)).toEqual(expectedNames(entries));
});

test("a tree of many tasks is the same in whatever order they run", async () => {
  const staging = stagingPlace(MEMORY);
  const entries = owned(
    Array.from({ length: 9000 }, (_, index): TreeEntry => {
      const path = `d${index % 7}/e${index % 50}/f${index}`;
      return { path, type: "fifo", mode: 0o644, mtime: [index, index], ...OWN };
    }),
  );
  for (let index = 0; index < 9000; index += 9) {
    const target = `d${index % 7}/e${index % 50}/f${index}`;
    entries.push({ path: `links/${index % 3}/l${index}`, type: "hardlink", target });
  }
  const parents = new Set(
    entries.flatMap(({ path }) => [path.slice(0, path.lastIndexOf("/")), path.split("/")[0] ?? ""]),
  );
  for (const path of parents) {
    if (path === "" || entries.some((entry) => entry.path === path)) continue;
    entries.push({ path, type: "directory", mode: 0o511, mtime: [path.length, 77], ...OWN });
  }
  const expected = expectedNames(entries);
  let most = 0;
  for (const backwards of [false, true]) {
    const rootfsPath = join(staging, `rootfs-${backwards}`);
    await sealAt(rootfsPath, entries, {
      runTasks: async (tasks) => {
        await Promise.resolve();
        most = Math.max(most, tasks.length);
        const results = (backwards ? tasks.toReversed() : tasks).map(runSealTask);
        return backwards ? results.toReversed() : results;
      },
    });
    expect(readDirectory(rootfsPath)).toEqual(expected);
  }
  expect(most).toBeGreaterThan(2);
});

test("workers in the middle of their tasks stop when the import is cancelled", async () => {
  const rootfsPath = join(stagingPlace(), "rootfs");
  const sink = createDirectorySink({ rootfsPath, sameOwner: isRoot });
  await sink.prepare();
  const tree = buildTree(owned([{ path: "file", type: "file" }]), () => -1);
  const controller = new AbortController();
  const context = sealContext(runSealTask, { signal: controller.signal });
  const sealing = sink.seal(tree, {
    ...context,
    runTasks: (tasks) => {
      if (tasks.some(({ kind, task }) => kind === "directory" && task.step.type === "names"))
        controller.abort();
      return context.runTasks(tasks);
    },
  });
  expect((await importErrorFrom(sealing)).code).toBe("ERR_CANCELLED");
  expect(readdirSync(rootfsPath)).toEqual([]);
  await sink.abort();
});

test("what the file system holds not at all, or not in full, is listed by path", async () => {
  const staging = stagingPlace();
  const entries = owned([
    { path: "old\n", type: "file", mtime: [-(2 ** 45), 0] },
    { path: "far", type: "directory", mtime: [2 ** 62, 0] },
    {
      path: "unknown",
      type: "file",
      content: Buffer.from("x"),
      xattrs: { "nothing.of.this": Buffer.from("x") },
    },
  ]);
  const { omissions } = await sealAt(join(staging, "rootfs"), entries);
  const [clamped, ...rest] = omissions.toSorted();
  const { mtimeNs } = lstatSync(join(staging, "rootfs", "far"), { bigint: true });
  expect(mtimeNs).toBeGreaterThan(4_000_000_000_000_000_000n);
  expect([clamped, ...rest]).toContain("unknown: nothing.of.this left out (ENOTSUP)");
  // A tmpfs holds any time, ext4 does not.
  const linesOfTimes = omissions.filter((line) => line.includes("is beyond what"));
  expect([0, 2]).toContain(linesOfTimes.length);
  for (const line of linesOfTimes) expect(line).toMatch(/^(old\\x0a|far): time -?\d/);
});

test("owners that were not set come last in the list, and after a thousand lines a count", async () => {
  const staging = stagingPlace(MEMORY);
  const entries = owned(
    Array.from({ length: 1200 }, (_, index): TreeEntry => {
      return { path: `f${index}`, type: "file", uid: 70_000, gid: 70_000 };
    }),
  );
  entries.push({ path: "z", type: "file", mode: 0o4755, uid: 70_000, gid: 70_000 });
  entries.push({ path: "dev", type: "character", device: [1, 3], uid: 70_000, gid: 70_000 });
  const rootfsPath = join(staging, "rootfs");
  const { omissions } = await sealAt(rootfsPath, entries, { sameOwner: false });
  expect(omissions.slice(0, 3)).toEqual([
    "z: mode 4755 without its set-id bits",
    "dev: device 1:3 left out (its owner is not exact)",
    "f0: owner 70000:70000 not set",
  ]);
  expect(omissions).toHaveLength(1001);
  expect(omissions.at(-1)).toBe("… and 203 more");
  expect(lstatSync(join(rootfsPath, "z")).mode & 0o7777).toBe(0o755);
});

const PROGRAM = new URL("../../support/seal-as-user.ts", import.meta.url).pathname;
const USER = isRoot ? 65_534 : OWN.uid;

function sealAsUser(rootfsPath: string, entries: readonly TreeEntry[], what: "seal" | "abort") {
  const input = JSON.stringify(
    entries.map((entry) =>
      Object.assign(
        {},
        entry,
        entry.content === undefined
          ? {}
          : { content: Buffer.from(entry.content).toString("base64") },
        entry.xattrs === undefined
          ? {}
          : {
              xattrs: Object.fromEntries(
                Object.entries(entry.xattrs).map(([name, value]) => [
                  name,
                  Buffer.from(value).toString("hex"),
                ]),
              ),
            },
      ),
    ),
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, rootfsPath, what], {
    input,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the program failed: ${stderr}`);
  const sealed: SealedRootfs = JSON.parse(stdout);
  return sealed;
}

const isUsers = (name: string): boolean => name.startsWith("user.");

test("without root, all but owners, devices and privileged attributes is written, whatever the modes", () => {
  const staging = stagingPlace();
  if (isRoot) chownSync(staging, USER, USER);
  const rootfsPath = join(staging, "rootfs");
  const entries = assortedEntries().map((entry): TreeEntry => {
    return Object.assign(entry, { uid: 0, gid: 0 });
  });
  entries.push(
    { path: "tight", type: "directory", mode: 0, uid: 0, gid: 0, mtime: [30, 0] },
    { path: "tight/er", type: "directory", mode: 0o100, uid: 0, gid: 0, mtime: [31, 0] },
    { path: "tight/er/first", type: "file", mode: 0o000, uid: 0, gid: 0, mtime: [32, 0] },
    { path: "tight/er/second", type: "hardlink", target: "tight/er/first" },
    {
      path: "dev/console",
      type: "character",
      device: [5, 1],
      uid: 0,
      gid: 0,
      xattrs: { "security.capability": Buffer.from("00") },
    },
    { path: "dev/again", type: "hardlink", target: "dev/console" },
  );
  const { omissions } = sealAsUser(rootfsPath, entries, "seal");
  const inodes = entries.filter(({ type }) => type !== "character" && type !== "block");
  const written = inodes
    .filter(({ path }) => path !== "dev/again")
    .concat({ path: "dev", type: "directory", uid: 0, gid: 0 })
    .map(({ xattrs = {}, mode, ...entry }) =>
      Object.assign(
        entry,
        mode === undefined ? {} : { mode: mode & ~0o6000 },
        { uid: USER, gid: isRoot ? USER : OWN.gid },
        { xattrs: Object.fromEntries(Object.entries(xattrs).filter(([name]) => isUsers(name))) },
      ),
    );
  expect(readDirectory(rootfsPath)).toEqual(expectedNames(written));
  expect(omissions).toEqual(
    expect.arrayContaining([
      "/: owner 0:0 not set",
      "dev/console: device 5:1 left out (its owner is not exact)",
      "dev/again: device left out, as is its first name",
      "usr/bin: mode 2755 without its set-id bits",
      "usr/bin/suid: mode 6755 without its set-id bits",
      "tight/er/first: owner 0:0 not set",
    ]),
  );
});

test("without root, abort removes directories that their own owner may not enter", () => {
  const staging = stagingPlace();
  if (isRoot) chownSync(staging, USER, USER);
  const entries: TreeEntry[] = [0o000, 0o100, 0o200, 0o400, 0o500, 0o555].flatMap((mode) => [
    { path: `d${mode}`, type: "directory", mode },
    { path: `d${mode}/below`, type: "directory", mode },
    { path: `d${mode}/below/file`, type: "file", mode: 0, content: Buffer.from("x") },
  ]);
  sealAsUser(join(staging, "rootfs"), entries, "abort");
  expect(readdirSync(staging)).toEqual([]);
});

// What mounts takes root, and fails without.

test("a full disk is ERR_DISK_FULL, names the place, and abort gives the space back", async () => {
  const staging = stagingPlace();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m,nr_inodes=300", "tmpfs", staging]);
  try {
    const rootfsPath = join(staging, "rootfs");
    const sink = createDirectorySink({ rootfsPath, sameOwner: true });
    await sink.prepare();
    const placer = createPlacer(sink.placerPlan(0));
    const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    const large = Buffer.alloc(4 << 20, "x");
    const placing = async () => {
      await Promise.resolve();
      placeWith(placer)(large, attributes);
    };
    const error = await importErrorFrom(placing());
    expect(error.code).toBe("ERR_DISK_FULL");
    expect(error.message).toContain(`no space is left at ${rootfsPath}.bodies`);
    placer.close();
    await sink.abort();
    expect(readdirSync(staging)).toEqual([]);

    const many = owned(
      Array.from({ length: 400 }, (_, index): TreeEntry => ({ path: `f${index}`, type: "file" })),
    );
    const inodes = await importErrorFrom(sealAt(rootfsPath, many));
    expect(inodes.code).toBe("ERR_DISK_FULL");
    expect(inodes.message).toMatch(
      /^cannot write "f\d+": no inodes are left \(all 300 are in use\) at .*rootfs$/,
    );
    expect(readdirSync(staging)).toEqual([]);
  } finally {
    execFileSync("umount", [staging]);
  }
});

test("attributes that outgrow ext4's block are listed, and no full disk", async () => {
  const staging = stagingPlace();
  const image = join(staging, "disk");
  const mounted = join(staging, "mounted");
  mkdirSync(mounted);
  execFileSync("truncate", ["-s", "16M", image]);
  execFileSync("mkfs.ext4", ["-q", "-I", "128", image]);
  execFileSync("mount", ["-o", "loop", image, mounted]);
  try {
    const value = Buffer.alloc(20_000, "v");
    const entries = owned([
      { path: "f", type: "file", mtime: [7, 8], xattrs: { "user.large": value } },
      { path: "late", type: "file", mtime: [2 ** 31, 0] },
    ]);
    const warnings: string[] = [];
    const { omissions } = await sealAt(join(mounted, "rootfs"), entries, {
      onWarning: ({ message }) => warnings.push(message),
    });
    expect(omissions).toEqual([
      "f: user.large left out (ENOSPC)",
      "late: time 2147483648 is beyond what the file system holds",
    ]);
    // Inodes of 128 bytes have no room for nanoseconds.
    expect(warnings).toEqual([
      `the file system at ${join(mounted, "rootfs")} does not keep times to the nanosecond`,
    ]);
    expect(lstatSync(join(mounted, "rootfs", "f"), { bigint: true }).mtimeNs).toBe(7_000_000_000n);
  } finally {
    execFileSync("umount", [mounted]);
  }
});
