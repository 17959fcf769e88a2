import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PathBuffer } from "../../src/sink/path-buffer.ts";
import { makeDirectoryAt, openAt, OPEN_DIRECTORY } from "../../src/sink/posix.ts";
import { removeTree, removeTreeInSteps } from "../../src/sink/remove-tree.ts";

let place = "";
beforeEach(() => {
  place = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "rootlift-remove-"));
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

test("a path that does not exist, nor the directory above it, is no error", () => {
  removeTree(join(place, "none"));
  removeTree(join(place, "none", "below"));
  expect(readdirSync(place)).toEqual([]);
});

test("symlinks are removed, not followed: as the path itself, and inside", async () => {
  const canary = join(place, "canary");
  mkdirSync(canary);
  writeFileSync(join(canary, "kept"), "");
  mkdirSync(join(place, "tree", "inside"), { recursive: true });
  symlinkSync(canary, join(place, "tree", "inside", "link"));
  symlinkSync(canary, join(place, "link"));
  removeTree(join(place, "link"));
  await removeTreeInSteps(join(place, "tree"));
  expect(readdirSync(place)).toEqual(["canary"]);
  expect(readdirSync(canary)).toEqual(["kept"]);
});

test("a place reached by a symlink of the user's is emptied there", () => {
  mkdirSync(join(place, "real", "tree"), { recursive: true });
  symlinkSync("real", join(place, "alias"));
  removeTree(join(place, "alias", "tree"));
  expect(readdirSync(join(place, "real"))).toEqual([]);
});

test("a single file is removed too", () => {
  writeFileSync(join(place, "file"), "");
  removeTree(join(place, "file"));
  expect(readdirSync(place)).toEqual([]);
});

test("three thousand levels, names of any bytes and closed directories go", async () => {
  const name = new PathBuffer();
  let fd = openSync(place, OPEN_DIRECTORY);
  for (let level = 0; level < 3000; level++) {
    const below = level === 0 ? name.setText("tree") : name.set(Buffer.from([0xff, 0x0a, 0x41]));
    makeDirectoryAt(fd, below, 0o755);
    const next = openAt(fd, below, OPEN_DIRECTORY);
    closeSync(fd);
    fd = next;
  }
  closeSync(fd);
  chmodSync(join(place, "tree"), 0);
  let turns = 0;
  let ticking = setImmediate(function tick() {
    turns++;
    ticking = setImmediate(tick);
  });
  await removeTreeInSteps(join(place, "tree"));
  clearImmediate(ticking);
  expect(readdirSync(place)).toEqual([]);
  // Other work went on meanwhile.
  expect(turns).toBeGreaterThan(0);
});

test("more files than a step removes go as well", () => {
  for (let index = 0; index < 1100; index++) {
    mkdirSync(join(place, "tree", `d${index % 3}`), { recursive: true });
    writeFileSync(join(place, "tree", `d${index % 3}`, `f${index}`), "");
  }
  removeTree(join(place, "tree"));
  expect(readdirSync(place)).toEqual([]);
});
