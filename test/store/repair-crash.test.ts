import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { fakeImport, importRequest } from "../support/fake-import.ts";
import { crashPoints, runToPoint, sample } from "../support/crash-points.ts";
import { maintainedStore, type MaintainedStore } from "../support/maintained-store.ts";
import { scratchDirectory } from "../support/scratch.ts";

/** As in crash-points.test.ts: `ROOTLIFT_CRASH_POINTS=all` for all of them. */
const LIMIT = process.env["ROOTLIFT_CRASH_POINTS"] ?? "2";
const COUNT = LIMIT === "all" ? Infinity : Number(LIMIT);
const TIMEOUT = { timeout: 30_000 + Math.min(COUNT, 300) * 10_000 };

/** A store whose catalog is damaged, with a journal of the same time beside it. */
async function damagedStore(): Promise<MaintainedStore & { readonly damaged: Buffer }> {
  const store = await maintainedStore("app", "other");
  const path = join(store.home, "catalog.db");
  const damaged = readFileSync(path).fill(0x5a, 100, 9000);
  writeFileSync(path, damaged);
  writeFileSync(`${path}-journal`, "");
  return { ...store, damaged };
}

function job(home: string): readonly string[] {
  return ["repair", "--home", home];
}

/** Whatever happened: the damaged bytes are somewhere, and the next repair brings back all of it. */
async function requireRepairable({
  home,
  damaged,
  ...store
}: Awaited<ReturnType<typeof damagedStore>>): Promise<void> {
  const catalogs = readdirSync(home).filter((name) => /^catalog\.db($|\.damaged)/.test(name));
  const kept = catalogs.filter((name) => !name.endsWith("-journal"));
  expect(kept.some((name) => readFileSync(join(home, name)).equals(damaged))).toBe(true);
  await store.repair();
  await store.collectGarbage();
  expect(await store.problems()).toEqual([]);
  expect(Object.keys(await store.names())).toEqual(["app", "other"]);
  expect(readdirSync(home).filter((name) => name.includes(".new-"))).toEqual([]);
  expect(readdirSync(join(home, "ingest"))).toEqual([]);
  const opened = await openStore({ homePath: home, env: {} });
  await fakeImport(opened, importRequest("next", { fsync: false }));
  opened.close();
  expect(await store.problems()).toEqual([]);
}

test("a repair that is killed before any system call can be repeated", TIMEOUT, async () => {
  const traced = await damagedStore();
  const points = await crashPoints(job(traced.home), scratchDirectory());
  expect(points.length).toBeGreaterThan(20);
  await requireRepairable(traced);
  for (const point of sample(points, COUNT, 1)) {
    const store = await damagedStore();
    const { killed } = await runToPoint(job(store.home), point, "signal=KILL");
    expect({ point, killed }).toEqual({ point, killed: true });
    await requireRepairable(store);
  }
});

test.each(["EIO", "ENOSPC"])(
  "a repair in which any system call fails with %s succeeds or says so, and can be repeated",
  TIMEOUT,
  async (errno) => {
    const traced = await damagedStore();
    const found = await crashPoints(job(traced.home), scratchDirectory());
    const points = found.filter(({ syscall }) => syscall !== "openat");
    for (const point of sample(points, Math.ceil(COUNT / 2), errno === "EIO" ? 2 : 3)) {
      const store = await damagedStore();
      const { outcomes, stderr } = await runToPoint(job(store.home), point, `error=${errno}`);
      const [outcome] = outcomes;
      const verdict = outcome?.["repaired"] === true ? "ok" : outcome?.["code"];
      expect({ point, stderr, verdict }).toEqual({
        point,
        stderr: "",
        verdict: expect.stringMatching(/^(ok|ERR_STORE_IO|ERR_DISK_FULL|ERR_STORE_CORRUPT)$/),
      });
      await requireRepairable(store);
    }
  },
);
