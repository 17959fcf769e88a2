import fc from "fast-check";
import { expect, test } from "vitest";
import {
  nextName,
  NONE,
  ROOT,
  S_IFDIR,
  typeOf,
  type RootfsTree,
} from "../../../src/rootfs/rootfs-tree.ts";
import { planSeal } from "../../../src/sink/directory/seal-plan.ts";
import { Role } from "../../../src/sink/directory/seal-steps.ts";
import { buildTree, type TreeEntry } from "../../support/tree-builder.ts";

const path = fc
  .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join("/"));

/** A tree of directories with a file in each, some of them linked to each other. */
const tree = fc
  .record({ paths: fc.uniqueArray(path, { maxLength: 60 }), links: fc.array(fc.nat()) })
  .map(({ paths, links }) => {
    const files = paths.map((directory): TreeEntry => ({ path: `${directory}/f`, type: "file" }));
    const hardLinks = links.flatMap((link, index): TreeEntry[] => {
      const target = paths[link % Math.max(paths.length, 1)];
      const home = paths[index % Math.max(paths.length, 1)];
      if (target === undefined || home === undefined) return [];
      return [{ path: `${home}/l${index}`, type: "hardlink", target: `${target}/f` }];
    });
    return buildTree([...files, ...hardLinks], () => -1);
  });

function ancestorsOf(of: RootfsTree, name: number): number[] {
  const chain: number[] = [];
  for (let at = of.parents[name] ?? ROOT; ; at = of.parents[at] ?? ROOT) {
    chain.push(at);
    if (at === ROOT) return chain;
  }
}

test("every name is in one run, and no run works in a directory of another's that is not made early", () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 20 }), (of, runNames) => {
      const plan = planSeal(of, runNames);
      const runOf = new Map<number, number>();
      let name: number = ROOT;
      for (const [run, { firstName, count }] of plan.runs.entries()) {
        expect(name).toBe(firstName);
        for (let made = 0; made < count; made++) {
          runOf.set(name, run);
          name = nextName(of, name);
        }
      }
      expect(name).toBe(NONE);
      expect(runOf.size).toBe(of.entries);

      const early = new Set(plan.earlyDirectories);
      const made = new Set([ROOT, ...early]);
      for (const [one, run] of runOf) {
        const elsewhere = ancestorsOf(of, one).filter((above) => runOf.get(above) !== run);
        expect(elsewhere.filter((above) => !made.has(above))).toEqual([]);
      }
      for (const [index, directory] of plan.earlyDirectories.entries()) {
        const before = [ROOT, ...plan.earlyDirectories.subarray(0, index)];
        expect(before).toContain(of.parents[directory]);
      }
    }),
  );
});

test("a directory is set late when other tasks work in it, children before parents", () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 20 }), (of, runNames) => {
      const plan = planSeal(of, runNames);
      const expected = new Set<number>([ROOT, ...plan.earlyDirectories]);
      for (const pairs of plan.hardLinks) {
        for (const name of pairs) for (const above of ancestorsOf(of, name)) expected.add(above);
      }
      const late = [...plan.lateDirectories];
      expect(new Set(late)).toEqual(expected);
      expect(late).toHaveLength(expected.size);
      for (const [index, directory] of late.entries()) {
        expect((plan.roles[directory] ?? 0) & Role.late).not.toBe(0);
        // ROOT is its own parent, and the last.
        expect(late.slice(index)).toContain(of.parents[directory]);
      }
      expect(late.at(-1)).toBe(ROOT);
    }),
  );
});

test("each further name of an inode is paired with its first one", () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 20 }), (of, runNames) => {
      const plan = planSeal(of, runNames);
      const links = new Map<number, number>();
      for (const pairs of plan.hardLinks) {
        for (let at = 0; at < pairs.length; at += 2)
          links.set(pairs[at] ?? NONE, pairs[at + 1] ?? NONE);
      }
      const firsts = new Map<number, number>();
      for (let name: number = ROOT; name !== NONE; name = nextName(of, name)) {
        const inode = of.inodes[name] ?? NONE;
        if (typeOf(of, inode) === S_IFDIR) continue;
        const first = firsts.get(inode) ?? name;
        firsts.set(inode, first);
        const isLink = ((plan.roles[name] ?? 0) & Role.hardLink) !== 0;
        expect(isLink).toBe(first !== name);
        expect(links.get(name)).toBe(first === name ? undefined : first);
      }
    }),
  );
});
