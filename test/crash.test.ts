import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { checkStore, importSandboxImage, listSandboxImages } from "../src/index.ts";
import { openStore } from "../src/store/open-store.ts";
import { importAtOnce, killAmongOthers } from "./support/crash/concurrent-imports.ts";
import { startCrashImages, type CrashImages } from "./support/crash/crash-images.ts";
import { runCrashSession } from "./support/crash/crash-session.ts";
import { startJumpingClock } from "./support/crash/jumping-clock.ts";
import { importRequest } from "./support/fake-import.ts";
import { importErrorFrom } from "./support/import-error.ts";
import { startStoreProcess, type StoreProcess } from "./support/run-store-process.ts";
import { scratchDirectory } from "./support/scratch.ts";

/** Dozens of processes: ten seconds of a machine that does nothing else. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** `npm run test:crash` is the long version. */
const [KILLS, AT_ONCE, SEED] = [12, 12, 20];

let images: CrashImages;
beforeAll(async () => {
  images = await startCrashImages(2);
});
afterAll(() => images.close());

test("killed at random moments, every command leaves the store as before or as after", async () => {
  const { killed, findings, histogram } = await runCrashSession({
    times: KILLS,
    seed: SEED,
    images,
  });
  expect(findings).toEqual([]);
  expect(killed).toBe(KILLS);
  expect(histogram.stages().size).toBeGreaterThan(2);
});

test("of imports at once, one wins each name, and the others are told", async () => {
  const figures = await importAtOnce({ count: AT_ONCE, seed: SEED, images });
  expect(figures).toContain("3 names, one winner each, 9 ERR_NAME_TAKEN");
});

test("imports do not notice that one of them is killed", async () => {
  expect(await killAmongOthers({ count: 5, seed: SEED, images }, 5)).toContain("1 rounds of 6");
});

/** A process that holds a name. */
async function holdName(
  home: string,
): Promise<{ readonly holder: StoreProcess; readonly id: string }> {
  const holder = startStoreProcess(["hold", "--home", home, "--name", "app"]);
  onTestFinished(() => {
    holder.child.kill("SIGKILL");
  });
  const outcome = await holder.next();
  return { holder, id: String(outcome?.["id"]) };
}

/** Lets a reservation and its record name another process. */
function changePid(home: string, id: string, pid: number): void {
  const path = join(home, "ingest", id, "ingest.json");
  const record = readFileSync(path, "utf8");
  writeFileSync(path, record.replace(/"pid": ?\d+/, `"pid": ${pid}`));
  expect(readFileSync(path, "utf8")).not.toBe(record);
  const database = new DatabaseSync(join(home, "catalog.db"));
  const { changes } = database.prepare("UPDATE reservations SET pid = ?").run(pid);
  database.close();
  expect(changes).toBe(1);
}

test("a dead import whose process id belongs to somebody else by now is dead", async () => {
  const home = join(scratchDirectory(), "home");
  const { holder, id } = await holdName(home);
  holder.child.kill("SIGKILL");
  await holder.ended;
  changePid(home, id, process.pid);
  const store = await openStore({ homePath: home, env: {} });
  onTestFinished(() => store.close());
  expect(readdirSync(join(home, "ingest"))).toEqual([]);
  const ingest = await store.beginIngest(importRequest("app"));
  await ingest.abort();
});

test("a living import whose recorded process id is nobody's is alive", async () => {
  const home = join(scratchDirectory(), "home");
  const { id } = await holdName(home);
  changePid(home, id, 2 ** 22 + 1);
  const store = await openStore({ homePath: home, env: {} });
  onTestFinished(() => store.close());
  expect(await store.removeStaleIngests()).toBe(0);
  expect((await importErrorFrom(store.beginIngest(importRequest("app")))).code).toBe(
    "ERR_NAME_TAKEN",
  );
  expect(readdirSync(join(home, "ingest"))).toContain(id);
});

test.each([
  ["back by years", 0, -20],
  ["ahead by years", 0, 12],
  ["back from the future", 12, -20],
])("a clock that jumps %s during an import changes nothing of it", async (_, before, after) => {
  const home = join(scratchDirectory(), "home");
  const image = images.images[0];
  if (image === undefined) throw new Error("no image");
  const clock = startJumpingClock(scratchDirectory(), before);
  const args = [image.registryReference, "--registered-name=jump", "--format=tar", "--cpus=1"];
  const run = await clock.import(args, home, () => clock.jump(after));
  expect(run).toMatchObject({ exitCode: 0 });
  // From here on everybody has the right time again.
  await importSandboxImage(image.layoutReference, {
    home,
    registeredName: "now",
    format: "tar",
    cpus: 1,
    fsync: false,
  });
  const listed = await listSandboxImages({ home });
  expect(listed.map(({ name }) => name)).toEqual(["jump", "now"]);
  // It did jump; a year of libfaketime has 365 days.
  const agoYears = (Date.now() - Date.parse(listed[0]?.createdAt ?? "")) / (365 * 86_400_000);
  expect(Math.round(agoYears)).toBe(-after);
  expect(readFileSync(listed[0]?.path ?? "").equals(readFileSync(listed[1]?.path ?? ""))).toBe(
    true,
  );
  expect(await checkStore({ home, verify: true })).toMatchObject({ sound: true, images: 2 });
});
