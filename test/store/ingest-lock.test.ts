import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { isIngestLive, lockNewIngest, lockStaleIngest } from "../../src/store/ingest-lock.ts";
import { randomToken } from "../../src/store/ids.ts";
import { importErrorOf } from "../support/import-error.ts";
import { scratchDirectory } from "../support/scratch.ts";

test("an owner keeps everybody else out until it releases", () => {
  const path = scratchDirectory();
  const owner = lockNewIngest(path);
  expect(isIngestLive(path, owner.id)).toBe(true);
  expect(lockStaleIngest(path, owner.id)).toBeUndefined();
  owner.release();
  owner.release();
  expect(isIngestLive(path, owner.id)).toBe(false);
  expect(readdirSync(path)).toEqual([]);
});

test("an owner that nobody refers to keeps its lock through a garbage collection", async () => {
  const path = scratchDirectory();
  const id = ((): string => lockNewIngest(path).id)();
  setFlagsFromString("--expose-gc");
  const collectGarbage: unknown = runInNewContext("gc");
  if (typeof collectGarbage !== "function") throw new Error("this Node hands out no gc()");
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    // Finalizers run between turns of the event loop.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  expect(isIngestLive(path, id)).toBe(true);
});

test("what an owner abandons, one recovery takes over; questions neither disturb it nor take it for an owner", () => {
  const path = scratchDirectory();
  const owner = lockNewIngest(path);
  owner.abandon();
  const { id } = owner;
  expect(isIngestLive(path, id)).toBe(false);
  const recovery = lockStaleIngest(path, id);
  onTestFinished(() => recovery?.abandon());
  expect(recovery?.id).toBe(id);
  expect(lockStaleIngest(path, id)).toBeUndefined();
  expect(isIngestLive(path, id)).toBe(false);
  recovery?.release();
  expect(existsSync(join(path, `${id}.lock`))).toBe(false);
  expect(lockStaleIngest(path, id)).toBeUndefined();
});

test("a lock leaves no journal beside it", () => {
  const path = scratchDirectory();
  const owner = lockNewIngest(path);
  expect(readdirSync(path)).toEqual([`${owner.id}.lock`]);
  owner.release();
});

test("to ask creates nothing, and an id never leads out of the directory", () => {
  const path = scratchDirectory();
  writeFileSync(join(path, "theirs.lock"), "");
  const inner = join(path, "ingest");
  expect(isIngestLive(inner, randomToken())).toBe(false);
  expect(isIngestLive(inner, "../theirs")).toBe(false);
  expect(existsSync(inner)).toBe(false);
});

test("where no file can be made, the error names the place", () => {
  const path = join(scratchDirectory(), "missing");
  const error = importErrorOf(() => lockNewIngest(path));
  expect(error.code).toBe("ERR_STORE_IO");
  expect(error.message).toContain(path);
});

test("a lock file with somebody else's bytes in it is named", () => {
  const path = scratchDirectory();
  const id = randomToken();
  writeFileSync(join(path, `${id}.lock`), "x".repeat(4096));
  for (const ask of [isIngestLive, lockStaleIngest]) {
    const error = importErrorOf(() => ask(path, id));
    expect(error.code).toBe("ERR_STORE_CORRUPT");
    expect(error.message).toContain(`${id}.lock`);
  }
});
