import { execFileSync } from "node:child_process";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { PaxKey, PaxRecords } from "../../../src/layer/pax-records.ts";
import { LINK_START, TarHeader } from "../../../src/layer/tar-header.ts";
import { parsePaxTime } from "../../../src/layer/tar-numbers.ts";
import {
  encodeTarHeader,
  isSayable,
  paddingAfter,
  TarType,
  type TarEntry,
} from "../../../src/sink/tar/tar-header.ts";
import { scratchDirectory } from "../../support/scratch.ts";

const FILE: TarEntry = {
  name: Buffer.from("etc/motd"),
  type: TarType.file,
  mode: 0o640,
  uid: 1000,
  gid: 100,
  size: 6,
  mtimeSeconds: 1_700_000_000,
  mtimeNanoseconds: 0,
  linkName: Buffer.alloc(0),
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: [],
};

function entry(changes: Partial<TarEntry>): TarEntry {
  return Object.assign({}, FILE, changes);
}

function requireUndefined(problem: string | undefined): void {
  if (problem !== undefined) throw new Error(problem);
}

/** What the reader of layers makes of it: other code than that which wrote it. */
function readBack(bytes: Buffer): Omit<TarEntry, "type"> & { readonly type: string } {
  const header = new TarHeader();
  const pax = new PaxRecords();
  let at = 0;
  const read = (): void => {
    header.block.set(bytes.subarray(at, at + 512));
    expect(header.read()).toBeUndefined();
    at += 512;
  };
  read();
  if (header.typeflag === 0x78) {
    requireUndefined(pax.parse(bytes.subarray(at, at + header.size)));
    at += header.size + paddingAfter(header.size);
    read();
  }
  expect(at).toBe(bytes.length);
  const text = (key: PaxKey, field: Uint8Array): Uint8Array =>
    Uint8Array.from(pax.has(key) ? pax.bytes.subarray(pax.start(key), pax.end(key)) : field);
  const number = (key: PaxKey, field: number): number => (pax.has(key) ? pax.number(key) : field);
  const time = { seconds: header.mtimeSeconds, nanoseconds: 0 };
  if (pax.has(PaxKey.mtime)) {
    parsePaxTime(pax.bytes, pax.start(PaxKey.mtime), pax.end(PaxKey.mtime), time);
  }
  return {
    name: text(PaxKey.path, header.name.subarray(0, header.nameLength)),
    type: String.fromCodePoint(header.typeflag),
    mode: header.mode,
    uid: number(PaxKey.uid, header.uid),
    gid: number(PaxKey.gid, header.gid),
    size: number(PaxKey.size, header.size),
    mtimeSeconds: time.seconds,
    mtimeNanoseconds: time.nanoseconds,
    linkName: text(PaxKey.linkpath, header.block.subarray(LINK_START, header.linkEnd)),
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs: pax.xattrs.map(({ name, value }) => ({
      name: Uint8Array.from(name),
      value: Uint8Array.from(value),
    })),
  };
}

const nameBytes = fc
  .array(fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom(0x2f, 0x61)), {
    minLength: 1,
    maxLength: 400,
  })
  .map((bytes) => Uint8Array.from(bytes));
const anyEntry: fc.Arbitrary<TarEntry> = fc.record({
  name: nameBytes,
  type: fc.constantFrom(...Object.values(TarType)),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2 ** 21 - 2, max: 2 ** 32 - 1 })),
  gid: fc.oneof(fc.nat(70_000), fc.integer({ min: 2 ** 21 - 2, max: 2 ** 32 - 1 })),
  size: fc.oneof(fc.nat(), fc.integer({ min: 8 ** 11 - 2, max: 2 ** 44 })),
  mtimeSeconds: fc.oneof(
    fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    fc.constantFrom(8 ** 11 - 1, 8 ** 11, -(2 ** 63), 2 ** 63),
  ),
  mtimeNanoseconds: fc.oneof(fc.constantFrom(0, 1, 100_000_000), fc.nat(999_999_999)),
  linkName: fc.oneof(nameBytes, fc.constant(new Uint8Array(0))),
  deviceMajor: fc.oneof(fc.nat(4095), fc.nat(2 ** 32 - 1)),
  deviceMinor: fc.oneof(fc.nat(1_048_575), fc.nat(2 ** 32 - 1)),
  xattrs: fc.array(
    fc.record({
      name: fc
        .uint8Array({ min: 1, minLength: 1, maxLength: 40 })
        .filter((bytes) => !bytes.includes(0x3d)),
      value: fc.uint8Array({ maxLength: 1100 }),
    }),
    { maxLength: 3 },
  ),
});

test("whatever an entry says is read back byte for byte", () => {
  fc.assert(
    fc.property(anyEntry, (any) => {
      // The largest time is a double beyond int64: it is written as the largest int64, and read as that double.
      const nanoseconds = Math.abs(any.mtimeSeconds) === 2 ** 63 ? 0 : any.mtimeNanoseconds;
      const written = entry({ ...any, mtimeNanoseconds: nanoseconds });
      const read = readBack(encodeTarHeader(written));
      expect(read).toEqual({
        ...written,
        name: Uint8Array.from(written.name),
        linkName: Uint8Array.from(written.linkName),
      });
    }),
    { numRuns: 500 },
  );
});

test("an ordinary entry has the very header that GNU tar writes", () => {
  const directory = scratchDirectory();
  writeFileSync(join(directory, "motd"), "hello\n", { mode: 0o640 });
  utimesSync(join(directory, "motd"), 1_700_000_000, 1_700_000_000);
  const format = ["--format=ustar", "--numeric-owner", "--owner=:1000", "--group=:100"];
  const archive = execFileSync("tar", ["-c", "-C", directory, ...format, "--mode=0640", "motd"]);
  const header = encodeTarHeader(entry({ name: Buffer.from("motd") }));
  expect(header).toHaveLength(512);
  expect(header.toString("latin1")).toBe(archive.toString("latin1", 0, 512));
});

function blocks(changes: Partial<TarEntry>): number {
  return encodeTarHeader(entry(changes)).length / 512;
}

test("an extended header is there only where the block cannot say all", () => {
  const long = "d".repeat(99);
  expect(blocks({ name: Buffer.from(`${long}/`) })).toBe(1);
  expect(blocks({ name: Buffer.from(`${long}/${long}`) })).toBe(1);
  expect(blocks({ name: Buffer.from(`${"p".repeat(155)}/${"n".repeat(100)}`) })).toBe(1);
  expect(blocks({ name: Buffer.from(`${"p".repeat(155)}/${"n".repeat(99)}/`) })).toBe(1);
  expect(blocks({ uid: 0o7777777, gid: 0o7777777, size: 8 ** 11 - 1 })).toBe(1);
  expect(blocks({ mtimeSeconds: 8 ** 11 - 1 })).toBe(1);
  expect(blocks({ linkName: Buffer.alloc(100, "l"), type: TarType.symlink })).toBe(1);

  expect(blocks({ name: Buffer.from(`${"p".repeat(155)}/${"n".repeat(101)}`) })).toBe(3);
  expect(blocks({ name: Buffer.from(`${"p".repeat(156)}/${"n".repeat(100)}`) })).toBe(3);
  expect(blocks({ name: Buffer.from("é") })).toBe(3);
  expect(blocks({ uid: 0o10000000 })).toBe(3);
  expect(blocks({ mtimeNanoseconds: 1 })).toBe(3);
  expect(blocks({ mtimeSeconds: -1 })).toBe(3);
  expect(blocks({ linkName: Buffer.alloc(101, "l"), type: TarType.symlink })).toBe(3);
});

function records(changes: Partial<TarEntry>): string {
  const bytes = encodeTarHeader(entry(changes));
  const size = Number.parseInt(bytes.toString("latin1", 124, 135), 8);
  return bytes.toString("latin1", 512, 512 + size);
}

function timeRecord(mtimeSeconds: number, mtimeNanoseconds: number): string {
  return records({ mtimeSeconds, mtimeNanoseconds });
}

test("times are decimals as short as can be, before 1970 too", () => {
  expect(timeRecord(1_700_000_000, 500_000_000)).toBe("22 mtime=1700000000.5\n");
  expect(timeRecord(0, 1)).toBe("21 mtime=0.000000001\n");
  expect(timeRecord(-1, 500_000_000)).toBe("14 mtime=-0.5\n");
  expect(timeRecord(-2, 999_999_999)).toBe("22 mtime=-1.000000001\n");
  expect(timeRecord(-7, 0)).toBe("12 mtime=-7\n");
  expect(timeRecord(2 ** 63, 0)).toBe("29 mtime=9223372036854775807\n");
});

test("the length of a record counts its own digits", () => {
  for (const length of [1, 80, 81, 82, 83, 84, 85, 980, 981, 982, 983, 984, 985, 986, 9980, 9999]) {
    const value = Buffer.alloc(length, "v");
    const text = records({ xattrs: [{ name: Buffer.from("a"), value }] });
    expect(Number.parseInt(text, 10)).toBe(text.length);
  }
});

test("names that are not UTF-8 are announced as bytes; an attribute's name and value need not be", () => {
  const name = Buffer.from("d/\xff", "latin1");
  expect(records({ name })).toBe("21 hdrcharset=BINARY\n12 path=d/\xff\n");
  expect(records({ linkName: Buffer.from("\xfe", "latin1"), type: TarType.symlink })).toBe(
    "21 hdrcharset=BINARY\n14 linkpath=\xfe\n",
  );
  const xattrs = [
    { name: Buffer.from("user.\xff", "latin1"), value: Buffer.from([0, 10, 61, 255]) },
  ];
  expect(records({ xattrs })).toBe("28 SCHILY.xattr.user.\xff=\0\n=\xff\n");
});

test("an attribute with = in its name cannot be told from another", () => {
  const sayable = ["user.a=b", "user.a"].map((name) =>
    isSayable({ name: Buffer.from(name), value: Buffer.from("v") }),
  );
  expect(sayable).toEqual([false, true]);
});

test("tar-stream reads what the headers say", async () => {
  const unpack = extract();
  const seen: unknown[] = [];
  unpack.on("entry", ({ name, type, uid, size, linkname, pax }, body, next) => {
    seen.push({ name, type, uid, size, linkname, pax });
    body.on("end", next);
    body.resume();
  });
  const done = new Promise<void>((resolve, reject) => {
    unpack.on("finish", resolve).on("error", reject);
  });
  const link = { type: TarType.symlink, size: 0, linkName: Buffer.from("ü") };
  unpack.write(encodeTarHeader(entry({ ...link, name: Buffer.from("é"), uid: 3_000_000_000 })));
  unpack.end(Buffer.alloc(1024));
  await done;
  const pax = { path: "é", linkpath: "ü", uid: "3000000000" };
  expect(seen).toMatchObject([{ name: "é", type: "symlink", size: 0, linkname: "ü", pax }]);
});
