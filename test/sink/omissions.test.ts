import { expect, test } from "vitest";
import { omissionLines, Omissions } from "../../src/sink/omissions.ts";

test("no omissions are no lines", () => {
  expect(omissionLines([])).toEqual([]);
  expect(omissionLines([new Omissions()])).toEqual([]);
});

test("what is missing comes before whose it is, in the order of the tasks", () => {
  const [first, second] = [new Omissions(), new Omissions()];
  first.addOwner(Buffer.from("a"), "owner 1:1 not set");
  first.add(Buffer.from("b"), "device 1:3 left out");
  second.addOwner(Buffer.alloc(0), "owner 0:0 not set");
  second.add(Buffer.from("c\n\x1b[31m"), "user.x left out");
  expect(omissionLines([first, second])).toEqual([
    "b: device 1:3 left out",
    "c\\x0a\\x1b[31m: user.x left out",
    "a: owner 1:1 not set",
    "/: owner 0:0 not set",
  ]);
});

test("a thousand lines stand whole, one more is a count", () => {
  const omissions = new Omissions();
  for (let index = 0; index < 1000; index++) omissions.add(Buffer.from(`f${index}`), "left out");
  expect(omissionLines([omissions])).toHaveLength(1000);
  omissions.addOwner(Buffer.from("z"), "owner 1:1 not set");
  expect(omissionLines([omissions])).toHaveLength(1001);
  expect(omissionLines([omissions]).at(-1)).toBe("… and 1 more");
});

test("long paths end the lines sooner, of each list and of all together, and are counted", () => {
  const lists = [new Omissions(), new Omissions()];
  const path = Buffer.alloc(4095, "p");
  for (const list of lists) {
    for (let index = 0; index < 200; index++) {
      list.add(path, "left out");
      list.addOwner(path, "owner 1:1 not set");
    }
    expect([list.lines.length, list.ownerLines.length]).toEqual([64, 64]);
    expect(list.takesOwners).toBe(false);
  }
  const lines = omissionLines(lists);
  expect(lines).toHaveLength(65);
  expect(lines.at(-1)).toBe("… and 736 more");
});
