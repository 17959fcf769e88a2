import { describe, expect, test } from "vitest";
import { outcomeOf } from "../support/import-error.ts";
import { archive, decodeEntries, decodeLayer } from "../support/decode-layer.ts";
import type { DecodedEntry } from "../support/decode-layer.ts";
import type { JsonObject } from "../support/case-kit/case-json.ts";

const code = (entries: readonly JsonObject[]): string => outcomeOf(() => decodeEntries(entries));

/** Names with types, in order. */
function names(entries: readonly DecodedEntry[]): string[] {
  return entries.map(
    ({ type, path, link }) => `${type} ${path}${link === "" ? "" : ` -> ${link}`}`,
  );
}

function single(entry: JsonObject): DecodedEntry {
  const [first, ...rest] = decodeEntries([entry]);
  expect(rest).toEqual([]);
  if (first === undefined) throw new Error("no entry");
  return first;
}

const symlink = (linkname: string): JsonObject => ({ path: "s", type: "symlink", linkname });

const hardLink = (linkname: string): JsonObject => ({ path: "h", type: "hardlink", linkname });

const file = (fields: JsonObject): JsonObject => ({ path: "a", type: "file", ...fields });

const device = (devmajor: number, devminor: number): JsonObject[] => [
  { path: "c", type: "char", devmajor, devminor },
];

const many = (count: number): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`user.k${n}`, "v"]));

const bigXattr = (count: number): JsonObject => ({ "user.b": { fill: "x", count } });

const plain = (tar: Buffer): readonly DecodedEntry[] => decodeLayer(tar, tar).entries;

const whole = (length: number): boolean =>
  length === 0 || (length >= 513 && length <= 1024) || length >= 1538;

describe("what an entry is", () => {
  test("every type, with its metadata", () => {
    const owner = { uid: 11, gid: 12, mtime: 1_234_567_890 };
    const entries = decodeEntries([
      { path: "d/", type: "dir", mode: "1777", ...owner },
      { path: "d/f", type: "file", content: "abc", mode: "4755", ...owner },
      { path: "d/s", type: "symlink", linkname: "../x//y", mode: "0777", ...owner },
      { path: "d/h", type: "hardlink", linkname: "./d//f", ...owner },
      { path: "d/c", type: "char", devmajor: 300, devminor: 70_000, mode: "0600", ...owner },
      { path: "d/b", type: "block", devmajor: 8, devminor: 0, ...owner },
      { path: "d/p", type: "fifo", ...owner },
    ]);
    expect(names(entries)).toEqual([
      "directory d",
      "file d/f",
      "symlink d/s -> ../x//y",
      "hardlink d/h -> d/f",
      "character d/c",
      "block d/b",
      "fifo d/p",
    ]);
    expect(entries.map(({ mode }) => mode)).toEqual([
      0o1777, 0o4755, 0o777, 0o644, 0o600, 0o644, 0o644,
    ]);
    expect(entries.every(({ uid, gid }) => uid === 11 && gid === 12)).toBe(true);
    expect(entries.every(({ mtime }) => mtime[0] === 1_234_567_890 && mtime[1] === 0)).toBe(true);
    expect(entries[1]).toMatchObject({ size: 3, body: "abc" });
    expect(entries[4]?.device).toEqual([300, 70_000]);
    expect(entries[5]?.device).toEqual([8, 0]);
  });

  test("typeflags NUL and 7 are files, NUL with a trailing slash is a directory, 0 with one is a file", () => {
    expect(names([single({ path: "a", type: "oldfile", content: "1" })])).toEqual(["file a"]);
    expect(names([single({ path: "a", type: "contiguous", content: "1" })])).toEqual(["file a"]);
    expect(names([single({ path: "a/", type: "oldfile", format: "v7" })])).toEqual(["directory a"]);
    expect(names([single({ path: "a/", type: "file", content: "1" })])).toEqual(["file a"]);
  });

  test.each(["V", "M", "D", "X", "N", "Q", "8", "A", "\u007f"])(
    "typeflag %j is refused",
    (type) => {
      expect(code([{ path: "a", type, content: "1" }])).toBe("ERR_LAYER_CORRUPT");
    },
  );

  test("an empty file has no body", () => {
    expect(single({ path: "a", type: "file", content: "" })).toMatchObject({ size: 0, body: "" });
  });

  test("what has no body has none, whatever its size says, in a pax record too", () => {
    const entries = decodeEntries([
      { path: "d", type: "dir", raw: { size: 512 } },
      { path: "s", type: "symlink", linkname: "t", raw: { size: 700 } },
      { path: "p", type: "fifo", raw: { size: 100 } },
      { path: "a", type: "file", content: "1" },
      { path: "h", type: "hardlink", linkname: "a", pax: { size: "5000" } },
      { path: "v/", type: "oldfile", format: "v7", raw: { size: 600 } },
      { path: "b", type: "file", content: "2" },
    ]);
    expect(names(entries)).toEqual([
      "directory d",
      "symlink s -> t",
      "fifo p",
      "file a",
      "hardlink h -> a",
      "directory v",
      "file b",
    ]);
    expect(entries.every(({ type, size }) => type === "file" || size === 0)).toBe(true);
  });

  test("the root may be a directory and nothing else", () => {
    for (const path of ["./", ".", "/", "a/.."]) {
      expect(names([single({ path, type: "dir" })])).toEqual(["directory "]);
      expect(code([{ path, type: "file", content: "x" }])).toBe("ERR_LAYER_CORRUPT");
      expect(code([{ path, type: "symlink", linkname: "/etc" }])).toBe("ERR_LAYER_CORRUPT");
    }
    expect(code([{ path: "", type: "file", content: "x" }])).toBe("ERR_LAYER_CORRUPT");
  });
});

describe("names and links", () => {
  const long = "n".repeat(90);
  const deep = `${long}/${long}`;

  test.each(["ustar", "pax", "gnu", "star"])(
    "a name longer than its field, in format %s",
    (format) => {
      expect(single({ path: deep, type: "file", content: "1", format }).path).toBe(deep);
    },
  );

  test("GNU's prefix area holds times, not a name", () => {
    const at = { "345": "14000000000\u0000", "357": "14000000000\u0000" };
    expect(single({ path: "a", type: "file", format: "gnu", raw: { at } }).path).toBe("a");
  });

  test("but Go before 1.8 wrote a prefix there, which is no time", () => {
    const entry = { path: "a", type: "file", format: "gnu" };
    expect(single({ ...entry, raw: { at: { "345": "usr/lib\u0000" } } }).path).toBe("usr/lib/a");
    expect(single({ ...entry, raw: { at: { "345": { hex: "75ff00" } } } }).path).toBe("a");
  });

  test("pax, GNU long name and sparse name win in this order, links likewise", () => {
    const body = "long\u0000rest";
    const longName = { path: "././@LongLink", type: "gnulongname", content: body, format: "gnu" };
    const longLink = { ...longName, type: "gnulonglink", content: "target\u0000" };
    const pax = { path: "pax", linkpath: "paxlink" };
    expect(names(decodeEntries([{ path: "h", type: "symlink", linkname: "l", pax }]))).toEqual([
      "symlink pax -> paxlink",
    ]);
    const both = [longName, longLink, { path: "h", type: "symlink", linkname: "l", pax }];
    expect(names(decodeEntries(both))).toEqual(["symlink long -> target"]);
  });

  test("names are bytes", () => {
    const { path } = single({ pathB64: "ZC///ul0", type: "file" });
    expect(path).toBe(Buffer.from("ZC///ul0", "base64").toString("latin1"));
    const pax = single({ path: "x", type: "file", pax: [["path", { b64: "ZC9jYWbp" }]] });
    expect(pax.path).toBe("d/caf\u00e9");
  });

  test("`..` above the root is refused, wherever the name comes from and whatever it names", () => {
    const escape = "a/../../x";
    const sparse = { "GNU.sparse.map": "", "GNU.sparse.major": "0", "GNU.sparse.minor": "1" };
    const attacks: JsonObject[][] = [
      [{ path: escape, type: "file", content: "1" }],
      [{ path: "../x", type: "dir" }],
      [{ path: "..", type: "dir" }],
      [{ path: "x/../../.wh.y", type: "file" }],
      [{ path: "x", type: "file", pax: { path: escape } }],
      [{ path: "x", type: "file", pax: { ...sparse, "GNU.sparse.name": escape } }],
      [
        { path: "L", type: "gnulongname", content: escape, format: "gnu" },
        { path: "x", type: "file" },
      ],
      [{ path: "h", type: "hardlink", linkname: "../../etc/shadow" }],
      [{ path: "x".repeat(50), type: "file", raw: { at: { "345": "../.." } } }],
    ];
    expect(attacks.map(code)).toEqual(attacks.map(() => "ERR_PATH_ESCAPE"));
  });

  test("a symlink's target is kept byte for byte; an empty one, or one of 4,096 bytes, is refused", () => {
    for (const target of ["./x//y/../z/", "/", "//etc", " ", "../../..", "x".repeat(4095)]) {
      expect(single(symlink(target)).link).toBe(target);
    }
    expect(code([symlink("")])).toBe("ERR_LAYER_CORRUPT");
    expect(code([symlink("x".repeat(4096))])).toBe("ERR_NAME_TOO_LONG");
    // The kernel takes no longer one, whatever the limit says.
    const longer = (): unknown =>
      decodeEntries([symlink("x".repeat(4096))], { linkTargetBytes: 9999 });
    expect(outcomeOf(longer)).toBe("ERR_NAME_TOO_LONG");
  });

  test("a hard link's target is a path below the root", () => {
    expect(single(hardLink("/etc/a")).link).toBe("etc/a");
    expect(single(hardLink("./a/../b")).link).toBe("b");
    expect(code([hardLink("")])).toBe("ERR_LINK_TARGET_MISSING");
    expect(code([hardLink("/")])).toBe("ERR_LINK_TARGET_MISSING");
    expect(code([hardLink("n".repeat(256))])).toBe("ERR_NAME_TOO_LONG");
  });

  test("a component of 256 bytes and a path of 4,096 are refused", () => {
    expect(single({ path: `d/${"n".repeat(255)}`, type: "file" }).path.length).toBe(257);
    expect(code([{ path: `d/${"n".repeat(256)}`, type: "file" }])).toBe("ERR_NAME_TOO_LONG");
    expect(code([{ path: "abcdefghi/".repeat(420), type: "dir" }])).toBe("ERR_NAME_TOO_LONG");
    expect(code([{ path: "a/".repeat(10_000), type: "dir" }])).toBe("ERR_NAME_TOO_LONG");
  });
});

describe("metadata", () => {
  test("only the permission bits of the mode count, in base-256 too", () => {
    expect(single(file({ mode: "0100644" })).mode).toBe(0o644);
    expect(single(file({ raw: { mode: { base256: 0o104755 } } })).mode).toBe(0o4755);
    expect(single(file({ raw: { mode: { base256: -1 } } })).mode).toBe(0o7777);
    expect(single(file({ raw: { mode: { hex: "ff36630033627801" } } })).mode).toBe(0o4001);
  });

  test("owners: octal, base-256, pax, in rising order; blank is 0", () => {
    expect(single(file({ uid: 2_097_151 })).uid).toBe(2_097_151);
    expect(single(file({ gid: 3_000_000_000, format: "gnu" })).gid).toBe(3_000_000_000);
    expect(single(file({ uid: 5, pax: { uid: "2500000" } })).uid).toBe(2_500_000);
    const blank = { uid: { fill: "\u0000", count: 8 }, gid: { fill: " ", count: 8 } };
    expect(single(file({ raw: blank }))).toMatchObject({ uid: 0, gid: 0 });
    expect(single(file({ pax: { uid: "4294967294" } })).uid).toBe(2 ** 32 - 2);
  });

  test("an owner that 32 bits would turn into another is refused", () => {
    for (const id of ["4294967295", "4294967296", "-1", "99999999999999999999", "1e3", "abc"]) {
      expect([id, code([file({ pax: { uid: id } })])]).toEqual([id, "ERR_LAYER_CORRUPT"]);
      expect([id, code([file({ pax: { gid: id } })])]).toEqual([id, "ERR_LAYER_CORRUPT"]);
    }
    expect(code([file({ raw: { uid: { base256: 4_294_967_296 } } })])).toBe("ERR_LAYER_CORRUPT");
    expect(code([file({ raw: { gid: { base256: -1 } } })])).toBe("ERR_LAYER_CORRUPT");
  });

  test("times: pax wins, rounded down, and no value fails", () => {
    expect(single(file({ mtime: "1700000000.123456789" })).mtime).toEqual([
      1_700_000_000, 123_456_789,
    ]);
    expect(single(file({ mtime: -1, format: "gnu" })).mtime).toEqual([-1, 0]);
    expect(single(file({ pax: { mtime: "-1.5" } })).mtime).toEqual([-2, 500_000_000]);
    const absurd = { mtime: { base256: 4_611_686_018_427_387_904n } };
    expect(single(file({ raw: absurd })).mtime).toEqual([2 ** 62, 0]);
    const beyond = { mtime: { hex: "8fffffffffffffffffffffff" } };
    expect(single(file({ raw: beyond })).mtime).toEqual([2 ** 63, 0]);
    expect(single(file({ pax: { mtime: "9".repeat(30) } })).mtime).toEqual([2 ** 63, 0]);
  });

  test("garbage in a field is refused", () => {
    for (const field of ["mode", "uid", "gid", "size", "mtime", "devmajor", "devminor"]) {
      expect([field, code([file({ raw: { [field]: "rwxr-xr" } })])]).toEqual([
        field,
        "ERR_LAYER_CORRUPT",
      ]);
    }
    expect(code([file({ pax: { mtime: "1.2.3" } })])).toBe("ERR_LAYER_CORRUPT");
    expect(code([file({ pax: { atime: "soon" } })])).toBe("ERR_LAYER_CORRUPT");
  });

  test("device numbers that do not fit are refused", () => {
    expect(code(device(4095, 1_048_575))).toBe("ok");
    expect(code(device(4096, 0))).toBe("ERR_LAYER_CORRUPT");
    expect(code(device(0, 1_048_576))).toBe("ERR_LAYER_CORRUPT");
  });

  test("xattrs are bytes, the last of a name counts, and they are sorted", () => {
    const pax = [
      ["SCHILY.xattr.user.k", "a=b=c"],
      ["SCHILY.xattr.user.bin", { hex: "00ff0a3d00c3280a" }],
      ["SCHILY.xattr.user.empty", ""],
      ["SCHILY.xattr.user.k", "last"],
      ["SCHILY.xattr.security.capability", { hex: "0100000200040000" }],
      ["LIBARCHIVE.xattr.user.other", "dmFs"],
    ];
    const { xattrs } = single(file({ pax }));
    expect(Object.entries(xattrs)).toEqual([
      ["security.capability", "\x01\0\0\x02\0\x04\0\0"],
      ["user.bin", "\0\xff\n=\0\xc3(\n"],
      ["user.empty", ""],
      ["user.k", "last"],
    ]);
  });

  test("what a layer must not or cannot set is left out", () => {
    const xattrs = {
      "trusted.overlay.opaque": "y",
      "trusted.x": "1",
      "user.overlay.redirect": "/x",
    };
    const kept = { "user.k": "v", "security.selinux": "s" };
    expect(single(file({ xattrs: { ...xattrs, ...kept } })).xattrs).toEqual(kept);
    for (const type of ["symlink", "fifo", "char"]) {
      const entry = { path: "s", type, linkname: "t", xattrs: { ...xattrs, ...kept } };
      expect(single(entry).xattrs).toEqual({ "security.selinux": "s" });
    }
    const link = { path: "h", type: "hardlink", linkname: "t", xattrs: kept };
    expect(single(link).xattrs).toEqual(kept);
  });

  test("xattrs have limits", () => {
    expect(Object.keys(single(file({ xattrs: many(128) })).xattrs).length).toBe(128);
    expect(code([file({ xattrs: many(129) })])).toBe("ERR_LIMIT_EXCEEDED");
    expect(code([file({ xattrs: bigXattr(65_530) })])).toBe("ok");
    expect(code([file({ xattrs: bigXattr(65_531) })])).toBe("ERR_LIMIT_EXCEEDED");
    expect(code([file({ xattrs: bigXattr(70_000) })])).toBe("ERR_LIMIT_EXCEEDED");
    expect(code([file({ xattrs: { [`user.${"n".repeat(251)}`]: "v" } })])).toBe(
      "ERR_LIMIT_EXCEEDED",
    );
    expect(code([file({ xattrs: { "": "v" } })])).toBe("ERR_LAYER_CORRUPT");
  });
});

describe("headers about the next entry", () => {
  const next = { path: "next", type: "file", content: "1" };

  test("serve one entry only", () => {
    const entries = decodeEntries([
      { path: "a", type: "file", pax: { path: "real", uid: "7" }, xattrs: { "user.a": "1" } },
      next,
    ]);
    expect(entries.map(({ path, uid, xattrs }) => [path, uid, Object.keys(xattrs)])).toEqual([
      ["real", 7, ["user.a"]],
      ["next", 0, []],
    ]);
  });

  test("the last of a kind counts, and only that one", () => {
    const entries = [
      { path: "x", type: "pax", pax: { path: "first", uid: "7" } },
      { path: "x", type: "pax", pax: { gid: "8" } },
      next,
    ];
    expect(decodeEntries(entries)).toMatchObject([{ path: "next", uid: 0, gid: 8 }]);
  });

  test("a global one makes no file, applies to nothing, and ends what came before it, as in Go", () => {
    const global = {
      path: "etc",
      type: "paxglobal",
      pax: { path: "evil", uid: "4242", "SCHILY.xattr.user.g": "1", size: "nonsense" },
    };
    const pax = { path: "x", type: "pax", pax: { path: "lost" } };
    expect(decodeEntries([pax, global, next])).toMatchObject([
      { path: "next", uid: 0, xattrs: {} },
    ]);
    expect(code([{ ...global, pax: {} }, next])).toBe("ok");
    const malformed = { path: "g", type: "paxglobal", content: "9 path=bc" };
    expect(code([malformed, next])).toBe("ERR_LAYER_CORRUPT");
  });

  test("their own names mean nothing", () => {
    const pax = { path: "../../../tmp/evil", type: "pax", pax: { path: "good" } };
    expect(names(decodeEntries([pax, next]))).toEqual(["file good"]);
  });

  test("pax size finds the next header (CVE-2025-62518)", () => {
    const inner = archive([{ path: "smuggled", type: "file", content: "" }], { eof: 2 });
    const entries = decodeEntries([
      {
        path: "a",
        type: "file",
        contentB64: inner.toString("base64"),
        pax: { size: String(inner.length) },
        raw: { size: 0 },
      },
      { path: "b", type: "file", content: "abc", pax: { size: "3" }, raw: { size: 600 } },
      next,
    ]);
    expect(names(entries)).toEqual(["file a", "file b", "file next"]);
    expect(entries.map(({ size }) => size)).toEqual([inner.length, 3, 1]);
  });

  test("are limited in size and in number", () => {
    const big = { path: "x", type: "pax", size: (1 << 20) + 1, fill: "x" };
    expect(code([big, next])).toBe("ERR_LIMIT_EXCEEDED");
    const declared = { path: "x", type: "gnulongname", raw: { size: { base256: 2 ** 40 } } };
    expect(code([declared, next])).toBe("ERR_LIMIT_EXCEEDED");
    const repeated = { path: "x", type: "pax", pax: { comment: "{i}" } };
    expect(code([{ ...repeated, repeat: 1024 }, next])).toBe("ok");
    expect(code([{ ...repeated, repeat: 1025 }, next])).toBe("ERR_LIMIT_EXCEEDED");
    expect(code([{ ...repeated, type: "paxglobal", repeat: 1025 }, next])).toBe(
      "ERR_LIMIT_EXCEEDED",
    );
  });

  test("of no bytes say nothing", () => {
    expect(names(decodeEntries([{ path: "x", type: "pax", content: "" }, next]))).toEqual([
      "file next",
    ]);
  });
});

describe("blocks", () => {
  const a = { path: "a", type: "file", content: "1" };
  const b = { path: "b", type: "file", content: "22" };
  const tail = (fields: JsonObject): string => outcomeOf(() => plain(archive([a, b], fields)));

  test("two, one, or no zero blocks end an archive", () => {
    for (const eof of [0, 1, 2, 3, 200]) expect([eof, tail({ eof })]).toEqual([eof, "ok"]);
    expect(plain(Buffer.alloc(0))).toEqual([]);
    expect(plain(Buffer.alloc(512))).toEqual([]);
  });

  test("a header after a single zero block is refused", () => {
    expect(code([a, { blocks: 1 }, b])).toBe("ERR_LAYER_CORRUPT");
  });

  test("what follows the end is counted and hashed, not read", () => {
    const evil = { entries: [{ path: "evil", type: "file", content: "2" }] };
    for (const fields of [{ appendArchive: evil }, { append: { fill: "garbage!", count: 300 } }]) {
      const tar = archive([a], fields);
      const { entries, summary } = decodeLayer(tar, tar);
      expect(names(entries)).toEqual(["file a"]);
      expect(summary.decodedBytes).toBe(tar.length);
    }
  });

  test("a cut is told wherever it is, but in the last padding", () => {
    const bytes = archive([a, b], { eof: 0 });
    const outcomes = Array.from({ length: bytes.length }, (_, length) => {
      const tar = bytes.subarray(0, length);
      return outcomeOf(() => plain(tar));
    });
    expect(outcomes).toEqual(
      outcomes.map((_, length) => (whole(length) ? "ok" : "ERR_LAYER_TRUNCATED")),
    );
  });

  test("an extension header needs its entry, unless the archive says that it has ended", () => {
    const pax = { path: "x", type: "pax", pax: { path: "b" } };
    const ends = (eof: number): string => outcomeOf(() => plain(archive([a, pax], { eof })));
    expect([ends(0), ends(1), ends(2)]).toEqual(["ERR_LAYER_TRUNCATED", "ok", "ok"]);
  });

  test("checksums: signed and unsigned sums, in any padding", () => {
    const sum = (chksum: JsonObject | string): string => code([{ ...a, raw: { chksum } }]);
    expect(sum("bad")).toBe("ERR_LAYER_CORRUPT");
    expect(sum({ fill: " ", count: 8 })).toBe("ERR_LAYER_CORRUPT");
    expect(sum("0007401\u0000")).toBe("ok");
    expect(code([{ pathB64: "buk=", type: "file", content: "1", raw: { chksum: "signed" } }])).toBe(
      "ok",
    );
  });

  test("what is no archive is shown in the message", () => {
    const page = Buffer.from("<html><body>502 Bad Gateway</body></html>\n".repeat(30));
    expect(() => plain(page)).toThrow(/it begins with "<html><body>502 Bad Gateway/);
  });

  test("sizes: negative, beyond 64 bits, and no numbers are refused; large ones meet a limit", () => {
    const size = (value: JsonObject | string): string => code([{ ...a, raw: { size: value } }]);
    expect(size({ base256: -1 })).toBe("ERR_LAYER_CORRUPT");
    expect(
      code([file({ content: "abc", raw: { size: { base256: -3 } }, pax: { size: "3" } })]),
    ).toBe("ERR_LAYER_CORRUPT");
    expect(size({ hex: "8fffffffffffffffffffffff" })).toBe("ERR_LAYER_CORRUPT");
    expect(size("00000000008\u0000")).toBe("ERR_LAYER_CORRUPT");
    expect(size({ base256: 2 ** 40 })).toBe("ERR_LIMIT_EXCEEDED");
    for (const pax of ["-5", "0x10", "1e3", "1.5", "9".repeat(20)]) {
      expect([pax, code([{ ...a, pax: { size: pax } }])]).toEqual([pax, "ERR_LAYER_CORRUPT"]);
    }
    expect(code([{ ...a, pax: { size: "8000000000000000000" } }])).toBe("ERR_LIMIT_EXCEEDED");
    expect(code([{ path: "x", type: "pax", raw: { size: { base256: -1 } } }])).toBe(
      "ERR_LAYER_CORRUPT",
    );
  });

  test("entries are counted against their limit", () => {
    const entries = [{ path: "f{i}", type: "file", repeat: 11 }];
    expect(outcomeOf(() => decodeEntries(entries, { entries: 11 }))).toBe("ok");
    expect(outcomeOf(() => decodeEntries(entries, { entries: 10 }))).toBe("ERR_LIMIT_EXCEEDED");
  });

  test("a hostile name reaches a message only as printable text", () => {
    const evil = { path: "../\u001b[2Jx\n", type: "file" };
    expect(() => decodeEntries([evil])).toThrow(/"\.\.\/\\x1b\[2Jx\\x0a" leaves the root/);
  });

  test("batches end at 4,096 entries, and each has buffers of its own", () => {
    const tar = archive([{ path: "d/{i}", type: "file", repeat: 10_000 }]);
    const { batches } = decodeLayer(tar, tar);
    expect(batches.map(({ count }) => count)).toEqual([4096, 4096, 1808]);
    const buffers = batches.flatMap((batch) =>
      Object.values(batch)
        .filter((value) => ArrayBuffer.isView(value))
        .map(({ buffer }) => buffer),
    );
    expect(new Set(buffers).size).toBe(3 * 17);
  });
});
