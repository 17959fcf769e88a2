import { afterEach, expect, test } from "vitest";
import type { RootfsTree } from "../../src/rootfs/rootfs-tree.ts";
import type { BodyPlacer, ImageToPlace, PlacerPlan, SealTask, Sink } from "../../src/sink/sink.ts";
import { importErrorFrom } from "./import-error.ts";
import { compareBytes, sha256Of, type ListedName } from "./read-directory.ts";
import { placeWith, sealContext } from "./seal-in-thread.ts";
import { attributesOf, buildTree, type TreeEntry } from "./tree-builder.ts";
import { CAPABILITY } from "./xattr-values.ts";

/** A sink with the worker's side of it, and someone else's reader of what it wrote. */
export interface SinkUnderTest {
  readonly sink: Sink;
  /** As a worker makes it. */
  createPlacer(plan: PlacerPlan): BodyPlacer;
  /** As a worker runs it. */
  runTask(task: SealTask): unknown;
  /** The sealed root filesystem, by the kernel's or another program's eyes; sorted by path. */
  read(): ListedName[] | Promise<ListedName[]>;
  /** Names in the staging place, which was empty before `prepare`. */
  staged(): readonly string[];
  /** In which run of tasks a seal is cancelled, where there are several; default: the first. */
  readonly cancelledRun?: number;
  /** An image that states holes instead of having them, and is no larger than the rest. */
  readonly leavesHolesOut?: boolean;
  cleanUp(): void;
}

/** What the sink is told of the image before its layers: two layers, of which the first alone is placed. */
const IMAGE: ImageToPlace = {
  manifestDigest: `sha256:${"0".repeat(64)}`,
  platform: "linux/amd64",
  layerBytes: [1000, 1000],
};

export const isRoot: boolean = process.geteuid?.() === 0;
const OWN = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
/** Owners that only root can give; an ordinary user tests with his own. */
const OTHER = isRoot ? { uid: 1234, gid: 5678 } : OWN;

/** What a reader must see of these entries, sorted by path. */
export function expectedNames(entries: readonly TreeEntry[]): ListedName[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  if (!byPath.has("")) byPath.set("", { path: "", type: "directory" });
  for (const { path } of entries) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const parent = path.slice(0, at);
      if (byPath.has(parent)) break;
      byPath.set(parent, { path: parent, type: "directory" });
    }
  }
  const all = [...byPath.values()].toSorted((a, b) => compareBytes(a.path, b.path));
  const namesOf = new Map<TreeEntry, string[]>();
  for (const entry of all) {
    const inode = inodeOf(entry, byPath);
    namesOf.set(inode, [...(namesOf.get(inode) ?? []), entry.path]);
  }
  return all.map((entry) => {
    const inode = inodeOf(entry, byPath);
    return rowOf(entry.path, inode, namesOf.get(inode) ?? []);
  });
}

function inodeOf(entry: TreeEntry, byPath: ReadonlyMap<string, TreeEntry>): TreeEntry {
  let at = entry;
  while (at.type === "hardlink") at = byPath.get(at.target ?? "") ?? at;
  return at;
}

function rowOf(path: string, entry: TreeEntry, paths: readonly string[]): ListedName {
  const { uid, gid, mode, mtimeSeconds, mtimeNanoseconds } = attributesOf(entry);
  const { type, content = Buffer.alloc(0), device, target = "" } = entry;
  return {
    path,
    type,
    owner: `${uid}:${gid}`,
    mtimeNs: BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanoseconds),
    xattrs: Object.fromEntries(
      Object.entries(entry.xattrs ?? {})
        .map(([name, value]) => [name, Buffer.from(value).toString("hex")] as const)
        .toSorted(([a], [b]) => compareBytes(a, b)),
    ),
    ...(type === "symlink" ? { target } : { mode: mode.toString(8) }),
    ...(type === "file" ? { size: content.length, sha256: sha256Of(content) } : {}),
    ...(device === undefined ? {} : { device: device.join(":") }),
    ...(paths.length > 1 ? { sharedWith: paths[0] ?? "" } : {}),
  };
}

/** One of everything that an image can hold. */
export function assortedEntries(): TreeEntry[] {
  const directory = { type: "directory" } as const;
  const file = { type: "file", ...OWN } as const;
  const devices: TreeEntry[] = [
    { path: "dev/null", type: "character", device: [1, 3], mode: 0o666, mtime: [7, 0] },
    { path: "dev/large", type: "block", device: [4095, 1_048_575], mode: 0o660, ...OTHER },
    { path: "dev/zero-zero", type: "character", device: [0, 0], mode: 0 },
  ];
  const entries: TreeEntry[] = [
    { path: "", ...directory, mode: 0o751, mtime: [1_600_000_000, 5], ...OTHER },
    { path: "usr", ...directory, ...OTHER, mtime: [1_700_000_000, 123_456_789] },
    { path: "usr/bin", ...directory, mode: 0o2755, ...OTHER, mtime: [-1, 999_999_999] },
    {
      path: "usr/bin/tool",
      ...file,
      ...OTHER,
      mode: 0o755,
      content: Buffer.from("#!/bin/sh\n"),
      mtime: [1_650_000_000, 1],
    },
    {
      path: "usr/bin/suid",
      ...file,
      ...OTHER,
      mode: 0o6755,
      content: Buffer.from("suid"),
      mtime: [-2_000_000_000, 0],
    },
    { path: "usr/empty", ...file, mode: 0o400, mtime: [3, 4] },
    { path: "usr/world", ...file, mode: 0o777, content: Buffer.from("w"), mtime: [0, 0] },
    { path: "usr/none", ...file, mode: 0, content: Buffer.from("secret"), mtime: [1, 0] },
    { path: "usr/large", ...file, content: Buffer.alloc(3_000_001, "large"), mtime: [2, 0] },
    { path: "closed", ...directory, mode: 0, ...OWN, mtime: [9, 0] },
    { path: "closed/inside", ...file, content: Buffer.from("x"), mtime: [9, 0] },
    { path: "sticky", ...directory, mode: 0o1777, ...OWN, mtime: [11, 0] },
    { path: "lib", type: "symlink", target: "usr/lib", ...OTHER, mtime: [1_234_567, 89] },
    { path: "away", type: "symlink", target: "/../../etc/passwd", ...OWN },
    { path: "odd-target", type: "symlink", target: "\xff\n\x1b[31m", ...OWN },
    { path: "fifo", type: "fifo", mode: 0o622, ...OTHER, mtime: [12, 0] },
    { path: "name\nwith newline \x1b[0m \\ \xff\xfe", ...file, content: Buffer.from("n") },
    { path: "n".repeat(255), ...directory, ...OWN },
    { path: `${"n".repeat(255)}/${"\xe9".repeat(255)}`, ...file, content: Buffer.from("long") },
    { path: "links/a", type: "hardlink", target: "usr/bin/tool" },
    { path: "links/deep/b", type: "hardlink", target: "usr/bin/tool" },
    { path: "links/link", type: "hardlink", target: "lib" },
    { path: "links/empty", type: "hardlink", target: "usr/empty" },
    { path: "links", ...directory, mode: 0o555, ...OWN, mtime: [13, 0] },
    { path: "links/deep", ...directory, mode: 0o500, ...OWN, mtime: [14, 0] },
    {
      path: "adjusted",
      ...file,
      ...OTHER,
      mode: 0o4711,
      content: Buffer.from("a hard link's entry changed this one"),
      mtime: [15, 16],
      placedAs: { ...OWN, mode: 0o600, mtimeSeconds: 1, mtimeNanoseconds: 2 },
    },
    {
      path: "attributes",
      ...file,
      mode: 0o444,
      content: Buffer.from("x"),
      mtime: [17, 0],
      xattrs: { "user.empty": Buffer.alloc(0), "user.bytes": Buffer.from([0, 10, 61, 255]) },
    },
    {
      path: "attributes-of-directory",
      ...directory,
      mode: 0o500,
      ...OWN,
      mtime: [18, 0],
      xattrs: { "user.of": Buffer.from("directory") },
    },
  ];
  const rootOnly: TreeEntry[] = [
    ...devices,
    {
      path: "ping",
      ...file,
      ...OTHER,
      mode: 0o755,
      content: Buffer.from("ping"),
      mtime: [19, 0],
      xattrs: { "security.capability": CAPABILITY },
    },
    {
      path: "ping-adjusted",
      ...file,
      ...OTHER,
      mode: 0o755,
      content: Buffer.from("ping"),
      mtime: [20, 0],
      xattrs: { "security.capability": CAPABILITY },
      placedAs: { mode: 0o600 },
    },
  ];
  return [...entries, ...(isRoot ? rootOnly : [])].map(ownedEntry);
}

/** An ordinary user's implied directories are his own, so they are named. */
function ownedEntry(entry: TreeEntry): TreeEntry {
  return isRoot || entry.uid !== undefined ? entry : { ...entry, ...OWN };
}

/**
 * What every sink promises (`src/sink/sink.ts`). A new sink is right when this is green.
 * @param makeSink with exact owners when this is root, else without
 */
export function sinkContract(name: string, makeSink: () => SinkUnderTest): void {
  const made: SinkUnderTest[] = [];
  afterEach(async () => {
    for (const subject of made.splice(0)) {
      await subject.sink.abort();
      subject.cleanUp();
    }
  });

  async function prepared(): Promise<SinkUnderTest> {
    const subject = makeSink();
    made.push(subject);
    await subject.sink.prepare();
    subject.sink.begin(IMAGE);
    return subject;
  }
  function treeOf(subject: SinkUnderTest, entries: readonly TreeEntry[]): RootfsTree {
    const placer = subject.createPlacer(structuredClone(subject.sink.placerPlan(0)));
    try {
      const tree = buildTree(entries, placeWith(placer));
      subject.sink.placed(0, structuredClone(placer.finish()));
      return tree;
    } finally {
      placer.close();
    }
  }
  const seal = (subject: SinkUnderTest, tree: RootfsTree, options = {}) =>
    subject.sink.seal(
      tree,
      sealContext((task) => subject.runTask(task), options),
    );

  test(`${name}: every kind of entry comes out with all that it has`, async () => {
    const subject = await prepared();
    const entries = assortedEntries();
    const sealed = await seal(subject, treeOf(subject, entries));
    expect(await subject.read()).toEqual(expectedNames(entries));
    expect(sealed.omissions).toEqual([]);
  });

  test(`${name}: sizes, entries and occupied bytes are those of the tree`, async () => {
    const subject = await prepared();
    const entries: TreeEntry[] = [
      { path: "", type: "directory", ...OWN },
      { path: "five", type: "file", content: Buffer.from("12345"), ...OWN },
      { path: "again", type: "hardlink", target: "five" },
      { path: "dir", type: "directory", ...OWN },
      { path: "dir/zeros", type: "file", content: Buffer.alloc(64 << 20), ...OWN },
    ];
    const sealed = await seal(subject, treeOf(subject, entries), { fsync: true });
    const least = subject.leavesHolesOut === true ? sealed.usedBytes : 5 + (64 << 20);
    expect(sealed.sizeBytes).toBeGreaterThanOrEqual(least);
    expect(sealed.entries).toBe(5);
    // Long runs of zeros are holes.
    expect(sealed.usedBytes).toBeGreaterThan(0);
    expect(sealed.usedBytes).toBeLessThan(8 << 20);
    expect(await subject.read()).toEqual(expectedNames(entries));
  });

  test(`${name}: holes read as zeros, at both ends and in the middle`, async () => {
    const subject = await prepared();
    const placer = subject.createPlacer(subject.sink.placerPlan(0));
    const attributes = { mode: 0o644, ...OWN, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    const data = Buffer.from("data");
    const parts: (number | Buffer)[] = [100_000, data, 1 << 20, data, 5];
    placer.begin(100_000 + (1 << 20) + 5 + 8, attributes);
    for (const part of parts) {
      if (typeof part === "number") placer.skip(part);
      else placer.write(part);
    }
    const body = placer.end();
    subject.sink.placed(0, structuredClone(placer.finish()));
    placer.close();
    const content = Buffer.concat(
      parts.map((part) => (typeof part === "number" ? Buffer.alloc(part) : part)),
    );
    const entries: TreeEntry[] = [
      { path: "", type: "directory", ...OWN },
      { path: "sparse", type: "file", content, ...OWN },
    ];
    await seal(
      subject,
      buildTree(entries, () => body),
    );
    expect(await subject.read()).toEqual(expectedNames(entries));
  });

  test(`${name}: bodies that no name claims are not in the result`, async () => {
    const subject = await prepared();
    const earlier = subject.createPlacer(subject.sink.placerPlan(0));
    const attributes = { mode: 0o644, ...OWN, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    const place = placeWith(earlier);
    const hidden = [place(Buffer.from("hidden"), attributes), place(Buffer.from("x"), attributes)];
    // The layer is fetched anew: one body of the first attempt is left in the middle.
    earlier.begin(10, attributes);
    earlier.write(Buffer.from("cut"));
    earlier.close();
    earlier.close();
    const entries: TreeEntry[] = [
      { path: "", type: "directory", ...OWN },
      { path: "kept", type: "file", content: Buffer.from("kept"), ...OWN },
    ];
    const tree = treeOf(subject, entries);
    expect(hidden).not.toContain(tree.bodies[1]);
    await seal(subject, tree);
    expect(await subject.read()).toEqual(expectedNames(entries));
    expect(subject.staged()).toHaveLength(1);
  });

  test(`${name}: a body that is longer or shorter than its header says is corrupt`, async () => {
    const subject = await prepared();
    const placer = subject.createPlacer(subject.sink.placerPlan(0));
    const attributes = { mode: 0o644, ...OWN, mtimeSeconds: 0, mtimeNanoseconds: 0 };
    placer.begin(4, attributes);
    expect(() => placer.write(Buffer.from("12345"))).toThrow(/header says 4/);
    placer.close();
    const other = subject.createPlacer(subject.sink.placerPlan(0));
    other.begin(4, attributes);
    other.write(Buffer.from("123"));
    expect(() => other.end()).toThrow(/has 3 bytes, its header says 4/);
    other.close();
  });

  test(`${name}: a tree as deep as a path can be comes out whole`, async () => {
    const subject = await prepared();
    // 4,095 bytes: PATH_MAX without its NUL, less the file's own "/f".
    const components = Array.from({ length: 511 }, () => "downdir").concat("downd");
    const entries: TreeEntry[] = components.map((_, index) => ({
      path: components.slice(0, index + 1).join("/"),
      type: "directory",
      mtime: [index, 1],
      ...OWN,
    }));
    entries.push({ path: "", type: "directory", ...OWN });
    const deepest = components.join("/");
    expect(`${deepest}/f`).toHaveLength(4095);
    entries.push({ path: `${deepest}/f`, type: "file", content: Buffer.from("deep"), ...OWN });
    entries.push({ path: "d/link", type: "hardlink", target: `${deepest}/f` });
    await seal(subject, treeOf(subject, entries));
    expect(await subject.read()).toEqual(expectedNames(entries));
  });

  test(`${name}: a cancelled seal says so, and abort leaves nothing`, async () => {
    const subject = await prepared();
    const tree = treeOf(subject, assortedEntries());
    const controller = new AbortController();
    const context = sealContext((task) => subject.runTask(task), { signal: controller.signal });
    const { cancelledRun = 1 } = subject;
    let runs = 0;
    const cancelling = {
      ...context,
      runTasks: (tasks: readonly SealTask[]) => {
        if (++runs === cancelledRun) controller.abort();
        return context.runTasks(tasks);
      },
    };
    const error = await importErrorFrom(subject.sink.seal(tree, cancelling));
    expect(error.code).toBe("ERR_CANCELLED");
    expect(runs).toBe(cancelledRun);
    expect(subject.staged()).not.toEqual([]);
    await subject.sink.abort();
    expect(subject.staged()).toEqual([]);
    await subject.sink.abort();
  });

  test(`${name}: abort removes a sealed tree, and bodies on their way`, async () => {
    const subject = await prepared();
    await seal(subject, treeOf(subject, assortedEntries()));
    await subject.sink.abort();
    expect(subject.staged()).toEqual([]);

    const other = await prepared();
    treeOf(other, assortedEntries());
    await other.sink.abort();
    expect(other.staged()).toEqual([]);
  });
}
