import fc from "fast-check";
import { expect, test } from "vitest";
import { DirectoryListing } from "../../../src/sink/erofs/directory-listing.ts";
import { numberTree } from "../../../src/sink/tree-numbers.ts";
import { buildTree } from "../../support/tree-builder.ts";

const anyName = fc
  .oneof(
    fc.stringMatching(/^[.!/-]{1,4}[a-z]{0,2}$/),
    fc
      .uint8Array({ minLength: 1, maxLength: 255 })
      .map((bytes) => Buffer.from(bytes).toString("latin1")),
  )
  .map((name) => name.replaceAll(/[\0/]/g, "_"))
  .filter((name) => name !== "." && name !== "..");

interface Entry {
  readonly name: string;
  readonly nid: number;
  readonly type: number;
}

/** By the description of the format: 12 bytes an entry, the first one's name offset tells how many there are. */
function entriesOf(block: Buffer): Entry[] {
  const count = block.readUInt16LE(8) / 12;
  return Array.from({ length: count }, (_, at) => {
    const start = block.readUInt16LE(12 * at + 8);
    const end = at + 1 < count ? block.readUInt16LE(12 * at + 20) : block.length;
    const name = block.subarray(start, end).toString("latin1").replace(/\0+$/, "");
    const nid = Number(block.readBigUInt64LE(12 * at));
    return { name, nid, type: block.readUInt8(12 * at + 10) };
  });
}

test("all names, the dots among them, are in the order of their bytes over all blocks", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(anyName, fc.boolean()), {
        maxLength: 120,
        selector: ([name]) => name,
      }),
      (names) => {
        const entries = names.map(([name, isDirectory]) => ({
          path: `in/${name}`,
          type: isDirectory ? ("directory" as const) : ("fifo" as const),
        }));
        const tree = buildTree([{ path: "in", type: "directory" }, ...entries], () => 0);
        const numbers = numberTree(tree, { root: 1, last: 1 });
        const nids = Float64Array.from({ length: numbers.last + 1 }, (_, at) => at * 2 ** 33 + 7);
        const listing = new DirectoryListing(tree, numbers);
        listing.list(2);
        const blocks: Buffer[] = [];
        listing.blocks(nids, (bytes) => blocks.push(Buffer.from(bytes)));
        const found = blocks.flatMap(entriesOf);

        const sorted = [".", "..", ...names.map(([name]) => name)].toSorted((a, b) =>
          Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")),
        );
        expect(found.map(({ name }) => name)).toEqual(sorted);
        expect(found.find(({ name }) => name === ".")).toMatchObject({ nid: nids[2], type: 2 });
        expect(found.find(({ name }) => name === "..")).toMatchObject({ nid: nids[1], type: 2 });
        expect(new Set(found.map(({ nid }) => nid)).size).toBe(found.length);
        for (const [name, isDirectory] of names) {
          expect(found.find((entry) => entry.name === name)?.type).toBe(isDirectory ? 2 : 5);
        }
        expect(listing.subdirectories).toBe(names.filter(([, isDirectory]) => isDirectory).length);
        expect(listing.sizeBytes).toBe(Buffer.concat(blocks).length);
        expect(blocks.slice(0, -1).every(({ length }) => length === 4096)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});
