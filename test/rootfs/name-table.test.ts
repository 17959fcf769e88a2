import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NameHash } from "../../src/rootfs/name-hash.ts";
import { NameTable } from "../../src/rootfs/name-table.ts";
import { NONE, ROOT } from "../../src/rootfs/rootfs-tree.ts";

/** A hash under which all names collide: the table must still be right. */
class OneHash extends NameHash {
  override of(): number {
    return 2046;
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

function children(table: NameTable, parent: number): string[] {
  const found: string[] = [];
  for (let at = table.firstChildren[parent] ?? NONE; at !== NONE;) {
    const offset = table.nameOffsets[at] ?? 0;
    const end = offset + (table.nameLengths[at] ?? 0);
    found.push(Buffer.from(table.nameBytes.subarray(offset, end)).toString("latin1"));
    at = table.nextSiblings[at] ?? NONE;
  }
  return found;
}

const steps = fc.array(fc.record({ add: fc.boolean(), name: fc.stringMatching(/^[a-d]{1,2}$/) }), {
  maxLength: 60,
});

describe.each([
  ["keyed", () => new NameHash(1, 2)],
  ["colliding", () => new OneHash(1, 2)],
])("with a %s hash", (_, makeHash) => {
  test("names are found until they are removed, children stand in the order of their arrival", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const table = new NameTable(makeHash());
        const model = new Map<string, number>();
        for (const { add, name } of list) {
          const known = model.get(name);
          expect(table.find(ROOT, bytes(name), 0, name.length)).toBe(known ?? NONE);
          if (add && known === undefined) {
            model.set(name, table.add(ROOT, bytes(name), 0, name.length));
          } else if (!add && known !== undefined) {
            table.remove(known);
            model.delete(name);
          }
          expect(children(table, ROOT)).toEqual([...model.keys()]);
        }
        expect(table.live).toBe(model.size + 1);
      }),
    );
  });
});

test("the same name in two directories is two names, and a table that grew still finds all", () => {
  const table = new NameTable(new NameHash(3, 4));
  const a = table.add(ROOT, bytes("a"), 0, 1);
  const names = Array.from({ length: 5000 }, (_, i) => `name-${i}`);
  const below = names.map((name) => table.add(a, bytes(`x${name}x`), 1, name.length + 1));
  const beside = names.map((name) => table.add(ROOT, bytes(name), 0, name.length));
  for (const [i, name] of names.entries()) {
    expect(table.find(a, bytes(name), 0, name.length)).toBe(below[i]);
    expect(table.find(ROOT, bytes(name), 0, name.length)).toBe(beside[i]);
  }
});
