import { afterAll, beforeAll, expect, test } from "vitest";
import { startDiskFilling, type DiskFilling, type Format } from "./support/full-disk/fill-disk.ts";
import type { DiskSpec } from "./support/full-disk/limited-disk.ts";

// A few of the disks of `npm run test:full-disk`: where the store, a layer, the seal and the record run out of room.

let filling: DiskFilling;
beforeAll(async () => {
  filling = await startDiskFilling();
});
afterAll(() => filling.close());

const DISKS: readonly (readonly [Format, DiskSpec])[] = [
  ["ext4", { kind: "ext4", sizeKib: 1300, inodes: 64 }],
  ["erofs", { kind: "tmpfs", sizeKib: 40 }],
  ["tar", { kind: "tmpfs", sizeKib: 4500 }],
  ["dir", { kind: "tmpfs", sizeKib: 1 << 16, inodes: 120 }],
];

test.each(DISKS)(
  "an import as %s into %j says what is missing and leaves nothing, and with that much more it succeeds",
  async (format, spec) => {
    const { failure, growths, problems } = await filling.fill(spec, format);
    expect(problems).toEqual([]);
    expect(failure).toMatch(/\[ERR_DISK_FULL\]$/);
    expect(growths).toBeGreaterThan(0);
  },
);
