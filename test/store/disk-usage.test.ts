import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DiskMeter } from "../../src/store/disk-usage.ts";
import { maintainedStore } from "../support/maintained-store.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** As du(1) counts it. */
function duBytes(path: string): number {
  return Number(execFileSync("du", ["-s", "-B1", path], { encoding: "utf8" }).split("\t")[0]);
}

test("holes take no room, a file with two names counts once, links are not followed", async () => {
  const path = scratchDirectory();
  const sparse = openSync(join(path, "sparse"), "w");
  ftruncateSync(sparse, 1 << 30);
  closeSync(sparse);
  writeFileSync(join(path, "file"), Buffer.alloc(10_000));
  linkSync(join(path, "file"), join(path, "again"));
  symlinkSync("/usr", join(path, "link"));
  mkdirSync(join(path, "d"));
  writeFileSync(join(path, "d", Buffer.from("\u00E9\u0001").toString("latin1")), "abc");
  const usage = await new DiskMeter().measure([path]);
  expect(usage.sizeBytes).toBe((1 << 30) + 10_003);
  expect(usage.diskBytes).toBe(duBytes(path));
  expect(usage.diskBytes).toBeLessThan(100_000);
  const meter = new DiskMeter();
  const one = await meter.measure([join(path, "d")]);
  const rest = await meter.measure([path], new Set([join(path, "d")]));
  expect(one.diskBytes + rest.diskBytes).toBe(usage.diskBytes);
});

test("directories deeper than a path may be long are counted to the bottom", async () => {
  const path = scratchDirectory();
  const name = "d".repeat(250);
  // By a shell that steps down: no path leads there.
  const script = `cd "$1" && for n in $(seq 40); do mkdir ${name} && cd ${name}; done && echo bottom > file`;
  execFileSync("bash", ["-c", script, "bash", path]);
  expect(await new DiskMeter().measure([path])).toEqual({
    sizeBytes: 7,
    diskBytes: duBytes(path),
  });
});

test("what is not there takes nothing", async () => {
  expect(await new DiskMeter().measure(["/no/such/thing"])).toEqual({ sizeBytes: 0, diskBytes: 0 });
});

test("the parts of a store add up to what du says of it", async () => {
  const store = await maintainedStore("app", "other");
  const { snapshots, unrecorded, total } = await store.measure();
  expect(snapshots.map(({ images }) => images.map(({ name }) => name))).toEqual([
    ["app"],
    ["other"],
  ]);
  expect(snapshots.every(({ diskBytes }) => diskBytes > 0)).toBe(true);
  expect(unrecorded.diskBytes).toBe(0);
  expect(total.diskBytes).toBe(duBytes(store.home));
});
