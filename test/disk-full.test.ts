import { join } from "node:path";
import { expect, test } from "vitest";
import { diskFull, diskRoom, roughBytes } from "../src/disk-full.ts";
import { holdMount } from "./support/loop-mount.ts";
import { mustRun } from "./support/run-program.ts";
import { scratchDirectory } from "./support/scratch.ts";

const NO_ROOM = { doing: 'write "a"', hint: "Free some.", cause: new Error("ENOSPC") };

test("the room of a path that is not there is that of the file system it would be on", () => {
  const there = diskRoom(scratchDirectory());
  const missing = diskRoom(join(scratchDirectory(), "not", "there"));
  expect(there?.freeBytes).toBeGreaterThan(0);
  expect(missing?.inodes?.all).toBe(there?.inodes?.all);
});

test("where the bytes ran out and where the inodes did, the message says which, and a quota is not looked for", async () => {
  const mount = await holdMount({
    type: "tmpfs",
    options: "size=64k,nr_inodes=16",
    source: "none",
  });
  try {
    const place = join(mount.rootPath, "file");
    const bytes = diskFull({ ...NO_ROOM, place, errno: "ENOSPC" });
    expect(bytes).toMatchObject({
      code: "ERR_DISK_FULL",
      message: `cannot write "a": no space is left at ${place}`,
      details: { path: place, errno: "ENOSPC", freeBytes: 65_536 },
      hint: "Free some.",
      cause: NO_ROOM.cause,
    });
    const names = Array.from({ length: 15 }, (_, index) => join(mount.rootPath, `${index}`));
    await mustRun("touch", names);
    const inodes = diskFull({ ...NO_ROOM, place, errno: "ENOSPC" });
    expect(inodes.message).toBe(
      `cannot write "a": no inodes are left (all 16 are in use) at ${place}`,
    );
    expect(inodes.details).toMatchObject({ freeInodes: 0 });
    const quota = diskFull({ ...NO_ROOM, place, errno: "EDQUOT" });
    expect(quota.message).toBe(`cannot write "a": the disk quota is used up at ${place}`);
    expect(quota.details).toEqual({ path: place, errno: "EDQUOT" });
  } finally {
    await mount.release();
  }
});

test("amounts that nobody knows exactly are rounded up", () => {
  expect([1, 1025, 2 ** 20, 2 ** 20 + 1, 2 ** 31].map(roughBytes)).toEqual([
    "1 KiB",
    "2 KiB",
    "1024 KiB",
    "2 MiB",
    "2048 MiB",
  ]);
});
