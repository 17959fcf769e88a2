import { describe, expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/limits.ts";
import { createLayerMerge } from "../../src/rootfs/create-layer-merge.ts";
import { nextName, NONE, ROOT, type RootfsTree } from "../../src/rootfs/rootfs-tree.ts";
import {
  directory,
  entry,
  entryBatch,
  file,
  hardlink,
  type LayerEntry,
  opaque,
  symlink,
  whiteout,
} from "../support/layer-entries.ts";
import { treeRows } from "../support/tree-rows.ts";

const IMAGE = "ghcr.io/org/app:1.2";
type Layer = readonly LayerEntry[];

function merge(layers: readonly Layer[], limits: Partial<Limits> = {}): RootfsTree {
  const merging = createLayerMerge(
    { ...DEFAULT_LIMITS, ...limits },
    { reference: IMAGE, layers: layers.length },
  );
  layers.forEach((entries, layer) => merging.addLayer(layer, [entryBatch(entries)]));
  return merging.finish();
}

/** Paths with their types and values; without what most tests do not look at. */
function shape(...layers: readonly Layer[]): string[] {
  return treeRows(merge(layers))
    .slice(1)
    .map((row) => row.replace(/ \d{4} \S+ \S+/, ""));
}

function refusal(layers: readonly Layer[], limits: Partial<Limits> = {}): ImportError {
  try {
    merge(layers, limits);
  } catch (error) {
    if (error instanceof ImportError) return error;
    throw error;
  }
  throw new Error("the layers were accepted");
}

/** A chain of links to `t`, and a file through all of them. */
const chain = (length: number): LayerEntry[] => [
  directory("t"),
  ...Array.from({ length }, (_, i) => symlink(`l${i}`, i === 0 ? "t" : `l${i - 1}`)),
  file(`l${length - 1}/x`, 1),
];

describe("whiteouts and opaque directories", () => {
  test("a whiteout hides the file of a lower layer", () => {
    expect(shape([file("a", 1), file("b", 2)], [whiteout("a")])).toEqual(["b file 1002 #2"]);
  });

  test("a whiteout does not hide what its own layer adds, whichever comes first in the archive", () => {
    const expected = ["a file 1002 #2"];
    expect(shape([file("a", 1)], [whiteout("a"), file("a", 2)])).toEqual(expected);
    expect(shape([file("a", 1)], [file("a", 2), whiteout("a")])).toEqual(expected);
    expect(shape([file("a", 1), whiteout("a")])).toEqual(["a file 1001 #1"]);
  });

  test("of a directory that is whited out and added again nothing old is left, its metadata neither", () => {
    const lower = [directory("d", { mode: 0o700, uid: 5 }), file("d/old", 1)];
    const rows = ["d directory 0755 0:0 0.0", "d/new file 0644 0:0 1600000000.0 1002 #2"];
    expect(treeRows(merge([lower, [whiteout("d"), file("d/new", 2)]])).slice(1)).toEqual(rows);
    expect(treeRows(merge([lower, [file("d/new", 2), whiteout("d")]])).slice(1)).toEqual(rows);
  });

  test("an opaque directory keeps what its own layer adds, and its metadata", () => {
    const lower = [directory("d", { mode: 0o700, uid: 3 }), file("d/a", 1), file("d/s/t", 2)];
    const rows = ["d directory 0700 3:0 1600000000.0", "d/n file 0644 0:0 1600000000.0 1003 #3"];
    expect(treeRows(merge([lower, [opaque("d"), file("d/n", 3)]])).slice(1)).toEqual(rows);
    expect(treeRows(merge([lower, [file("d/n", 3), opaque("d")]])).slice(1)).toEqual(rows);
  });

  test("an opaque root empties the image", () => {
    expect(shape([file("a/b", 1), file("c", 1)], [file("n", 2), opaque("")])).toEqual([
      "n file 1002 #2",
    ]);
  });

  test("whiteouts of what is not there are no error, and make nothing", () => {
    expect(shape([whiteout("x"), opaque("y/z"), file("k", 1)], [whiteout("no/such")])).toEqual([
      "k file 1001 #1",
    ]);
  });

  test("a whiteout of a symlink removes the link, not what it points to", () => {
    expect(shape([file("t/x", 1), symlink("s", "t")], [whiteout("s")])).toEqual([
      "t directory",
      "t/x file 1001 #1",
    ]);
  });

  test("a marker below a lower symlink hides what is behind the link", () => {
    const lower = [file("usr/lib/x", 1), file("usr/y", 2), symlink("lib", "usr/lib")];
    const left = [
      "lib symlink -> usr/lib",
      "usr directory",
      "usr/lib directory",
      "usr/y file 1002 #2",
    ];
    expect(shape(lower, [whiteout("lib/x")])).toEqual(left);
    expect(shape(lower, [opaque("lib")])).toEqual(left);
    expect(shape(lower, [symlink("lib", "usr/lib"), whiteout("lib/x")])).toEqual(left);
  });

  test("docker's layer of a link that became a directory does not empty what the link pointed to", () => {
    const lower = [file("usr/lib/x", 1), symlink("lib", "usr/lib")];
    const expected = [
      "lib directory",
      "lib/y file 1002 #2",
      "usr directory",
      "usr/lib directory",
      "usr/lib/x file 1001 #1",
    ];
    expect(shape(lower, [directory("lib"), opaque("lib"), file("lib/y", 2)])).toEqual(expected);
    expect(shape(lower, [directory("lib"), whiteout("lib/x"), file("lib/y", 2)])).toEqual(expected);
    expect(shape(lower, [whiteout("lib"), whiteout("lib/x"), file("lib/y", 2)])).toEqual(expected);
  });

  test("a marker before the entry that replaces the link goes through the link, as any entry there would", () => {
    const lower = [file("t/x", 1), symlink("a", "t")];
    expect(shape(lower, [whiteout("a/x"), directory("a")])).toEqual(["a directory", "t directory"]);
  });

  test("a marker below a lower file is refused, unless its layer made a directory of the file", () => {
    expect(refusal([[file("a", 1)], [whiteout("a/x")]]).code).toBe("ERR_NOT_A_DIRECTORY");
    expect(refusal([[symlink("l", "l")], [opaque("l")]]).code).toBe("ERR_LINK_LOOP");
    expect(shape([file("a", 1)], [directory("a"), opaque("a")])).toEqual(["a directory"]);
    const merging = createLayerMerge(DEFAULT_LIMITS, { reference: IMAGE, layers: 2 });
    merging.addLayer(0, [entryBatch([file("a", 1), file("b", 1)])]);
    const batches = [[whiteout("a/x"), directory("a")], [], [whiteout("k"), whiteout("b/x")]];
    expect(() => merging.addLayer(1, batches.map(entryBatch))).toThrow('"b/x" lies below "b"');
    expect(shape([file("a", 1)], [whiteout("a/x"), whiteout("a")])).toEqual([]);
  });

  test("a whiteout of one name leaves the other names of the inode", () => {
    expect(shape([file("a", 1), hardlink("b", "a")], [whiteout("a")])).toEqual(["b file 1001 #1"]);
  });
});

describe("replacing", () => {
  test("a directory over a directory keeps the children and takes metadata and xattrs of the entry", () => {
    const lower = [directory("d", { xattrs: { "user.a": "1" } }), file("d/x", 1)];
    const upper = [directory("d", { mode: 0o2770, uid: 1, gid: 2, mtimeNanoseconds: 9 })];
    expect(treeRows(merge([lower, upper]))[1]).toBe("d directory 2770 1:2 1600000000.9");
  });

  test("directory, file and directory of one name in one layer: the first one's children are gone", () => {
    expect(
      shape([directory("d"), file("d/x", 1), file("d", 2), directory("d"), file("d/y", 3)]),
    ).toEqual(["d directory", "d/y file 1003 #3"]);
  });

  test("a replaced name leaves other names of the inode as they were, and takes no xattrs over", () => {
    expect(
      shape([file("a", 1, { xattrs: { "user.k": "v" } }), hardlink("b", "a")], [file("a", 2)]),
    ).toEqual(["a file 1002 #2", "b file 1001 #1 user.k=v"]);
  });

  test.each(["file", "symlink", "hardlink", "fifo", "character", "block"] as const)(
    "attack (CVE-2021-29136): the root never becomes a %s",
    (type) => {
      const error = refusal([[file("a", 1)], [entry(type, "", { link: "a" })]]);
      expect(error.code).toBe("ERR_LAYER_CORRUPT");
      expect(error.message).toContain(
        `layer 2 of 2 of ${IMAGE}: "/" would turn the root directory`,
      );
    },
  );

  test("an entry for the root sets its metadata", () => {
    expect(treeRows(merge([[directory("", { mode: 0o711 })]]))).toEqual([
      ". directory 0711 0:0 1600000000.0",
    ]);
  });
});

describe("parents", () => {
  test("parents without an entry are 0755 root:root at the epoch; lower ones keep what they have", () => {
    expect(
      treeRows(merge([[directory("a", { mode: 0o700, uid: 4 })], [file("a/b/c", 1)]])).slice(0, 3),
    ).toEqual([
      ". directory 0755 0:0 0.0",
      "a directory 0700 4:0 1600000000.0",
      "a/b directory 0755 0:0 0.0",
    ]);
  });

  test("a symlink in a parent path is followed inside the root, never out of it", () => {
    expect(
      shape([
        symlink("esc", "../../../etc"),
        file("esc/x", 1),
        symlink("abs", "/esc"),
        file("abs/y", 2),
      ]),
    ).toEqual([
      "abs symlink -> /esc",
      "esc symlink -> ../../../etc",
      "etc directory",
      "etc/x file 1001 #1",
      "etc/y file 1002 #2",
    ]);
  });

  test("the target of a dangling parent comes into being; what `..` takes back does not", () => {
    expect(shape([symlink("l", "x/gone/../y"), file("l/f", 1), file("l/g", 2)])).toEqual([
      "l symlink -> x/gone/../y",
      "x directory",
      "x/y directory",
      "x/y/f file 1001 #1",
      "x/y/g file 1002 #2",
    ]);
  });

  test("attack (node-tar's directory cache): a directory that was walked through and became a link is walked anew", () => {
    expect(shape([file("a/x", 1), symlink("a", "t"), file("a/x", 2), file("a/y", 3)])).toEqual([
      "a symlink -> t",
      "t directory",
      "t/x file 1002 #2",
      "t/y file 1003 #3",
    ]);
  });

  test("40 links are followed, 41 are a loop", () => {
    expect(shape(chain(40))).toContain("t/x file 1001 #1");
    const error = refusal([chain(41)]);
    expect(error.code).toBe("ERR_LINK_LOOP");
    expect(error.message).toBe(
      `layer 1 of 1 of ${IMAGE}: "l40/x" leads through more than 40 symbolic links, or in a circle`,
    );
  });

  test("what the link replaces is in nobody's way: the target's path leads past it", () => {
    const lower = [symlink("s", "k/.."), file("k", 1), file("t", 2)];
    expect(shape(lower, [hardlink("k", "s/t")])).toEqual([
      "k file 1002 #2 names=k,t",
      "s symlink -> k/..",
      "t file 1002 #2 names=k,t",
    ]);
    expect(refusal([lower, [hardlink("k", "s/k")]]).code).toBe("ERR_LINK_TARGET_MISSING");
  });

  test.each([file("a", 1), entry("fifo", "a"), entry("block", "a"), entry("character", "a")])(
    "an entry below a $type is refused, behind a link too",
    (blocker) => {
      expect(refusal([[blocker], [file("a/b", 1)]]).code).toBe("ERR_NOT_A_DIRECTORY");
      expect(refusal([[blocker, symlink("l", "a"), file("l/b", 1)]]).code).toBe(
        "ERR_NOT_A_DIRECTORY",
      );
    },
  );

  test("the refusal names layer, path and what is in the way, without raw control characters", () => {
    const error = refusal([[file("a\x1b", 1)], [file("a\x1b/b\n", 1)]]);
    expect(error.message).toBe(
      `layer 2 of 2 of ${IMAGE}: "a\\x1b/b\\x0a" lies below "a\\x1b", which is a file`,
    );
    expect(error.details).toEqual({ layer: 2, path: "a\\x1b/b\\x0a" });
    expect(error.hint).not.toBe(undefined);
  });

  test("a directory takes the place of a file that the same layer whites out, wherever the whiteout is", () => {
    const expected = ["a directory", "a/b file 1002 #2"];
    expect(shape([file("a", 1)], [whiteout("a"), file("a/b", 2)])).toEqual(expected);
    expect(shape([file("a", 1)], [file("a/b", 2), whiteout("a")])).toEqual(expected);
  });
});

describe("hard links", () => {
  test("the entry's metadata are set on the inode that all names share, across layers", () => {
    const tree = merge([
      [file("a", 1), file("same", 2), hardlink("again", "same")],
      [hardlink("b", "a", { mode: 0o4711, uid: 5, gid: 6 })],
    ]);
    expect(treeRows(tree).slice(1)).toEqual([
      "a file 4711 5:6 1600000000.0 1001 #1 names=a,b",
      "again file 0644 0:0 1600000000.0 1002 #2 names=again,same",
      "b file 4711 5:6 1600000000.0 1001 #1 names=a,b",
      "same file 0644 0:0 1600000000.0 1002 #2 names=again,same",
    ]);
    expect([...tree.adjusted]).toEqual([0, 1, 0]);
    expect([...tree.linkCounts]).toEqual([1, 2, 2]);
    // An empty file has no body that was placed with other attributes.
    const empty = [entry("file", "e"), hardlink("f", "e", { mode: 0o600 })];
    expect([...merge([empty]).adjusted]).toEqual([0, 0]);
    expect([...tree.layers]).toEqual([0, 0, 0]);
  });

  test("xattrs of the inode stay, unless the entry brings its own", () => {
    const lower = [file("a", 1, { xattrs: { "user.a": "1" } })];
    expect(shape(lower, [hardlink("b", "a")])[0]).toBe("a file 1001 #1 user.a=1 names=a,b");
    expect(shape(lower, [hardlink("b", "a", { xattrs: { "user.b": "2" } })])[0]).toBe(
      "a file 1001 #1 user.b=2 names=a,b",
    );
  });

  test("a hard link to a symlink shares the link, its mode stays", () => {
    expect(
      treeRows(merge([[symlink("s", "no"), hardlink("h", "s", { mode: 0o600, uid: 1 })]]))[1],
    ).toBe("h symlink 0777 1:0 1600000000.0 -> no names=h,s");
  });

  test("a target is found through a symlinked parent, and a link may replace a name of its own inode", () => {
    const lower = [file("usr/bin/a", 1), symlink("bin", "usr/bin"), hardlink("b", "bin/a")];
    const expected = [
      "b file 1001 #1 names=b,usr/bin/a",
      "bin symlink -> usr/bin",
      "usr directory",
      "usr/bin directory",
      "usr/bin/a file 1001 #1 names=b,usr/bin/a",
    ];
    expect(shape(lower)).toEqual(expected);
    expect(shape(lower, [hardlink("b", "usr/bin/a")], [hardlink("bin/a", "b")])).toEqual(expected);
  });

  test("a target that a later marker of the layer hides was there when the link came", () => {
    const lower = [file("d/a", 1), file("k", 2)];
    const moved = ["b file 1001 #1"];
    expect(shape(lower, [hardlink("b", "d/a"), whiteout("d"), whiteout("k")])).toEqual(moved);
    expect(shape(lower, [hardlink("b", "d/a"), opaque("")])).toEqual(moved);
    expect(shape(lower, [hardlink("b", "k"), whiteout("k"), opaque("d")])).toEqual([
      "b file 1002 #2",
      "d directory",
    ]);
    const anew = [hardlink("b", "k"), file("k", 3), whiteout("k")];
    expect(shape([file("k", 2)], anew)).toEqual(["b file 1002 #2", "k file 1003 #3"]);
    const replacing = [hardlink("d", "d/a"), whiteout("d")];
    expect(refusal([lower, replacing]).code).toBe("ERR_LINK_TARGET_MISSING");
    const behind = [hardlink("s", "s/a"), whiteout("d")];
    expect(refusal([[...lower, symlink("s", "d")], behind]).code).toBe("ERR_LINK_TARGET_MISSING");
  });

  const refused: readonly (readonly [string, Layer, string])[] = [
    ["is missing", [hardlink("b", "a")], "is not there"],
    [
      "is whited out between two links",
      [hardlink("b", "low"), whiteout("low"), hardlink("c", "low")],
      "is not there",
    ],
    ["is the link itself, whited out later", [hardlink("low", "low"), whiteout("low")], "is not"],
    ["comes later", [hardlink("b", "a"), file("a", 1)], "is not there"],
    ["is whited out by the layer", [whiteout("low"), hardlink("b", "low")], "is not there"],
    ["has a file as its parent", [hardlink("b", "low/x")], "is not there"],
    ["is a directory", [directory("d"), hardlink("b", "d")], "is a directory"],
    ["is the root", [hardlink("b", "")], "is the root directory"],
    ["is the link itself", [hardlink("low", "low")], "is the link itself"],
    [
      "is itself by another way",
      [symlink("l", "/"), hardlink("l/low", "low")],
      "is the link itself",
    ],
    ["is below what the link replaces", [file("d/x", 1), hardlink("d", "d/x")], "is not there"],
    [
      "is behind what the link replaces",
      [file("t/x", 1), symlink("s", "t"), hardlink("s", "s/x")],
      "is not there",
    ],
  ];
  test.each(refused)("a hard link whose target %s is refused", (_, entries, why) => {
    const error = refusal([[file("low", 1)], entries]);
    expect(error.code).toBe("ERR_LINK_TARGET_MISSING");
    expect(error.message).toContain(`, which ${why}`);
  });

  test("a target behind a circle of links is a loop", () => {
    expect(refusal([[symlink("a", "a"), hardlink("b", "a/x")]]).code).toBe("ERR_LINK_LOOP");
  });
});

describe("limits", () => {
  test("more names of one inode than hardLinks are refused; replaced ones do not count", () => {
    const links = [file("a", 1), hardlink("b", "a"), hardlink("c", "a")];
    expect(merge([links, [hardlink("c", "a")]], { hardLinks: 3 }).entries).toBe(4);
    const error = refusal([links], { hardLinks: 2 });
    expect([error.code, error.details["path"]]).toEqual(["ERR_LIMIT_EXCEEDED", "c"]);
    expect(error.hint).toContain("--limit hardLinks=");
  });

  test("entries of all layers count, whiteouts, replaced ones and implied directories included", () => {
    const layers = [[file("a/b", 1)], [file("a/b", 2), whiteout("x")]];
    expect(merge(layers, { entries: 4 }).entries).toBe(3);
    expect(refusal(layers, { entries: 3 }).code).toBe("ERR_LIMIT_EXCEEDED");
  });

  test("a path that links make longer than pathBytes is refused, before anything comes into being", () => {
    const limits = { pathBytes: 12 };
    expect(merge([[symlink("l", "abc/def"), file("l/wxyz", 1)]], limits).entries).toBe(5);
    expect(merge([[symlink("l", "u/../v/./../abc/def"), file("l/wxyz", 1)]], limits).entries).toBe(
      5,
    );
    expect(
      merge([[directory("u"), symlink("u/l", "../abc/def"), file("u/l/wxyz", 1)]], limits).entries,
    ).toBe(6);
    expect(merge([[symlink("a/b/l", "../cd/efghi"), file("a/b/l/x", 1)]], limits).entries).toBe(7);
    const error = refusal([[symlink("l", "abc/def"), file("l/vwxyz", 1)]], limits);
    expect(error.code).toBe("ERR_NAME_TOO_LONG");
    expect(error.message).toContain(`"l/vwxyz" leads through symbolic links to a path of 13 bytes`);
  });

  test("a link target whose component no directory can have is refused when it must come into being", () => {
    const long = "x".repeat(256);
    expect(refusal([[symlink("l", long), file("l/f", 1)]]).code).toBe("ERR_NAME_TOO_LONG");
    expect(refusal([[file(long, 1)]], { componentBytes: 1000 }).code).toBe("ERR_NAME_TOO_LONG");
    expect(shape([symlink("l", `${long}/../d`), file("l/f", 1)])).toContain("d/f file 1001 #1");
  });

  test("attack: links to `a/../a/../…` do not buy thousands of steps with every entry", () => {
    const layer = [
      directory("a"),
      symlink("l", "a/../".repeat(800)),
      ...Array.from({ length: 300 }, (_, i) => file(`l/${i}`, i)),
    ];
    const error = refusal([layer], { symlinksFollowed: 1 });
    expect([error.code, error.hint]).toEqual([
      "ERR_LIMIT_EXCEEDED",
      expect.stringContaining("symlinksFollowed"),
    ]);
    expect(merge([layer]).entries).toBe(303);
  });

  test("links to short targets buy as many steps as there are entries", () => {
    const files = Array.from({ length: 3000 }, (_, i) => file(`l/${i}`, i));
    const layer = [directory("a/b"), symlink("l", "a/../".repeat(100)), ...files];
    expect(merge([layer], { symlinksFollowed: 1 }).entries).toBe(3004);
  });

  test("names, targets and xattrs of an image are limited together", () => {
    const layer = [
      symlink("l", "x".repeat(1000)),
      file("f", 1, { xattrs: { "user.k": "v".repeat(1000) } }),
    ];
    expect(merge([layer], { metadataBytes: 2100 }).entries).toBe(3);
    expect(refusal([layer], { metadataBytes: 1900 }).hint).toContain("metadataBytes");
  });
});

describe("the finished tree", () => {
  test("counts names and the contents of live inodes", () => {
    const tree = merge([
      [file("a", 1), hardlink("b", "a"), file("gone", 5), file("d/x", 7)],
      [whiteout("gone"), file("d", 9)],
    ]);
    expect(tree.entries).toBe(4);
    expect(tree.contentBytes).toBe(1001 + 1009);
    expect([...tree.linkCounts].filter((count) => count === 0)).toHaveLength(3);
  });

  test("keeps devices, times before 1970 and names of any bytes", () => {
    const odd = "\xff\xfe \n__proto__";
    expect(
      treeRows(
        merge([
          [
            entry("character", odd, {
              major: 300,
              minor: 70_000,
              mtimeSeconds: -86_400,
              mtimeNanoseconds: 1,
            }),
          ],
        ]),
      ).slice(1),
    ).toEqual([`${odd} character 0644 0:0 -86400.1 300,70000`]);
  });

  test("is the same to the last element for equal layers, whatever the key of the hash table", () => {
    const names = Array.from({ length: 1000 }, (_, i) =>
      file(`d${i % 7}/f${i}`, i, { xattrs: { "user.k": `${i % 3}` } }),
    );
    const layers = [
      names,
      names.filter((_, i) => i % 3 === 0).map(({ path }) => whiteout(path)),
      names.slice(100, 200),
    ];
    expect(merge(layers)).toEqual(merge(layers));
  });

  test("a directory of more names than any page, removed name by name and made again", () => {
    const names = Array.from({ length: 4000 }, (_, i) => `d/name-${i}`);
    const tree = merge([
      names.map((name, i) => file(name, i)),
      names.filter((_, i) => i % 2 === 0).map((name) => whiteout(name)),
      names.filter((_, i) => i % 4 === 0).map((name) => file(name, 1)),
    ]);
    expect(tree.entries).toBe(2 + 2000 + 1000);
  });

  test("a path of two thousand directories is placed, walked and removed without a stack", () => {
    const deep = Array.from({ length: 2047 }, () => "d").join("/");
    const tree = merge([[directory(deep)]]);
    let names = 0;
    for (let name: number = ROOT; name !== NONE; name = nextName(tree, name)) names++;
    expect(names).toBe(2048);
    expect(merge([[directory(deep)], [whiteout("d")]]).entries).toBe(1);
  });

  test("equal xattr lists are stored once", () => {
    const xattrs = { "security.selinux": "system_u:object_r:bin_t:s0" };
    const tree = merge([Array.from({ length: 100 }, (_, i) => file(`f${i}`, i, { xattrs }))]);
    expect(tree.blobBytes.length).toBeLessThan(100);
    expect(treeRows(tree)[100]).toContain("security.selinux=system_u:object_r:bin_t:s0");
  });

  test.each([[[]], [[file("a", 1, { xattrs: { "user.k": "v" } }), symlink("l", "a")]]])(
    "is shared memory in all its parts (image %#)",
    (entries) => {
      const parts = Object.values(merge([entries])).filter((part) => ArrayBuffer.isView(part));
      expect(parts).toHaveLength(22);
      expect(parts.filter(({ buffer }) => !(buffer instanceof SharedArrayBuffer))).toEqual([]);
    },
  );

  test("takes no layer any more", () => {
    const merging = createLayerMerge(DEFAULT_LIMITS, { reference: IMAGE, layers: 1 });
    merging.finish();
    expect(() => merging.addLayer(0, [])).toThrow("after finish");
  });
});
