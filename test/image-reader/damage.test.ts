import { expect, test } from "vitest";
import { createDamageLog, MOST_DAMAGE_LISTED } from "../../src/image-reader/damage.ts";

test("a thousand faults of one kind are counted, and hide none of another kind", () => {
  const log = createDamageLog();
  for (let inode = 0; inode < 1000; inode++) {
    log.add({ what: "attributes", inode, problem: "they overlap" });
  }
  log.add({ what: "data", block: 7, problem: "the bytes of block 7 are not what was imported" });
  expect(log.count()).toBe(1001);
  expect(log.list).toHaveLength(MOST_DAMAGE_LISTED + 1);
  expect(log.list.at(-1)).toMatchObject({ what: "data", block: 7 });
});
