import { join } from "node:path";
import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { openStore } from "../../src/store/open-store.ts";
import { fakeImport, importRequest } from "../support/fake-import.ts";
import { runStoreProcess } from "../support/run-store-process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { requireSoundStore } from "../support/store-invariants.ts";

/** More for a long run: ROOTLIFT_STORE_PROCESSES=200. */
const PROCESSES = Number(process.env["ROOTLIFT_STORE_PROCESSES"] ?? 32);
const LONG = { timeout: 60_000 };
const NAMES = Array.from({ length: 8 }, (_, index) => `shared/name:${index}`);

test(
  "processes that import the same names into one new store: one winner each, the rest are told, nothing is lost",
  { timeout: 30_000 + PROCESSES * 2000 },
  async () => {
    const homePath = join(scratchDirectory(), "home");
    const runs = Array.from({ length: PROCESSES }, async (_, index) => {
      // Each begins elsewhere in the list, and has a name that nobody else wants.
      const names = [...NAMES.slice(index % 8), ...NAMES.slice(0, index % 8), `own-${index}`];
      const content = `process ${index}`;
      const args = names.flatMap((name) => ["--name", name]);
      return runStoreProcess(["import", "--home", homePath, "--content", content, ...args]);
    });
    const outcomes = (await Promise.all(runs)).flat();
    const store = await openStore({ homePath, env: {} });
    const contents = await requireSoundStore(store);
    store.close();
    const own = Array.from({ length: PROCESSES }, (_, index) => `own-${index}`);
    expect(Object.keys(contents).toSorted()).toEqual([...NAMES, ...own].toSorted());
    const winners = outcomes.filter(({ won }) => won === true);
    expect(Object.fromEntries(winners.map(({ name, content }) => [name, content]))).toEqual(
      contents,
    );
    expect(winners).toHaveLength(NAMES.length + PROCESSES);
    const losers = outcomes.filter(({ won }) => won !== true);
    expect(losers).toHaveLength(PROCESSES * (NAMES.length - 1) + PROCESSES - NAMES.length);
    expect(new Set(losers.map(({ code }) => code))).toEqual(new Set(["ERR_NAME_TAKEN"]));
  },
);

test("replacements of one name from many processes leave one whole image", LONG, async () => {
  const homePath = join(scratchDirectory(), "home");
  const runs = Array.from({ length: 8 }, async (_, index) => {
    const names = Array.from({ length: 6 }, () => ["--name", "app"]).flat();
    return runStoreProcess([
      "import",
      "--home",
      homePath,
      "--replace",
      "--content",
      `${index}`,
      ...names,
    ]);
  });
  const outcomes = (await Promise.all(runs)).flat();
  const store = await openStore({ homePath, env: {} });
  const contents = await requireSoundStore(store);
  store.close();
  expect(Object.keys(contents)).toEqual(["app"]);
  const codes = outcomes.map(({ won, code }) => (won === true ? "won" : code));
  expect(codes).toHaveLength(48);
  expect(new Set([...codes, "ERR_NAME_TAKEN"])).toEqual(new Set(["won", "ERR_NAME_TAKEN"]));
});

test("two hundred imports in one process, through connections of their own", LONG, async () => {
  const homePath = join(scratchDirectory(), "home");
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const store = await openStore({ homePath, env: {} });
      try {
        const request = importRequest(`app-${index % 20}`, { fsync: false });
        await fakeImport(store, request, `${index}`);
        return "won";
      } catch (error) {
        return error instanceof ImportError ? error.code : String(error);
      } finally {
        store.close();
      }
    }),
  );
  expect(outcomes.filter((outcome) => outcome === "won")).toHaveLength(20);
  expect(outcomes.filter((outcome) => outcome === "ERR_NAME_TAKEN")).toHaveLength(180);
  const store = await openStore({ homePath, env: {} });
  expect(Object.keys(await requireSoundStore(store))).toHaveLength(20);
  store.close();
});
