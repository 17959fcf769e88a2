import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openTarReader } from "../../src/export/tar-reader.ts";
import { encodeTarHeader, TarType, type TarEntry } from "../../src/sink/tar/tar-header.ts";
import { tarPieces } from "../../src/sink/tar/tar-pieces.ts";
import { headerBlock, padded, paxRecord, sealHeader } from "../fuzz/tar/tar-blocks.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { joinPieces, memoryReader } from "../support/memory-reader.ts";
import { randomTree } from "../support/random-entries.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { assortedEntries } from "../support/sink-contract.ts";
import type { TreeEntry } from "../support/tree-builder.ts";

const NEVER = new AbortController().signal;

function archiveOf(entries: readonly TreeEntry[]): Buffer {
  return joinPieces(tarPieces(memoryReader(entries), () => undefined));
}

async function readAgain(archive: Buffer, path: string): Promise<Buffer> {
  writeFileSync(path, archive);
  const reader = await openTarReader(path, NEVER);
  try {
    return joinPieces(tarPieces(reader, () => expect.unreachable()));
  } finally {
    await reader.close();
  }
}

test("an archive is read as the tree that it was made of", async () => {
  const archive = archiveOf(assortedEntries());
  const again = await readAgain(archive, join(scratchDirectory(), "a.tar"));
  expect(again.equals(archive)).toBe(true);
});

test("random trees come back, and no descriptor stays open", async () => {
  const path = join(scratchDirectory(), "a.tar");
  const before = readdirSync("/proc/self/fd").length;
  await fc.assert(
    fc.asyncProperty(randomTree(), async (entries) => {
      const archive = archiveOf(entries);
      expect((await readAgain(archive, path)).equals(archive)).toBe(true);
    }),
  );
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("whatever is flipped or cut, the archive is read or is damaged; nothing else happens", async () => {
  const path = join(scratchDirectory(), "a.tar");
  const archive = archiveOf(assortedEntries().filter(({ path: name }) => name !== "usr/large"));
  const damage = fc.record({
    flips: fc.array(fc.tuple(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 })), {
      maxLength: 3,
    }),
    length: fc.oneof(fc.constant(archive.length), fc.nat(archive.length)),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ flips, length }) => {
      const bytes = Buffer.from(archive);
      for (const [at, mask] of flips) bytes[at] = (bytes[at] ?? 0) ^ mask;
      const outcome = await readAgain(bytes.subarray(0, length), path).catch(
        (error: unknown) => error,
      );
      expect(outcome instanceof Buffer || isDamage(outcome)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

function isDamage(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SNAPSHOT_DAMAGED";
}

const BASE: TarEntry = {
  name: Buffer.from("x"),
  type: TarType.file,
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  linkName: Buffer.alloc(0),
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: [],
};
const header = (changes: Partial<TarEntry>): Buffer =>
  encodeTarHeader(Object.assign({}, BASE, changes));
const named = (name: string, changes: Partial<TarEntry> = {}): Buffer =>
  header({ ...changes, name: Buffer.from(name) });

/** An entry behind a pax record that our writer would not write. @param mtime as it stands in the header */
function described(key: string, value: string, mtime?: string): Buffer {
  const records = paxRecord(key, value);
  const entry = headerBlock("0", "x", 0);
  if (mtime !== undefined) entry.write(mtime, 136, "latin1");
  sealHeader(entry, 0);
  const before =
    mtime === undefined ? [headerBlock("x", "x", records.length), padded(records)] : [];
  return Buffer.concat([...before, entry]);
}

test.each<[string, Buffer[], RegExp]>([
  ["a name that leads out", [named("../x")], /no path/],
  ["an absolute name", [named("/etc/passwd")], /no path/],
  ["a name with a gap", [named("a//b")], /no path/],
  ["an entry before its directory", [named("a/b")], /before its directory/],
  ["an entry below a file", [named("a"), named("a/b")], /before its directory/],
  [
    "an entry below a link",
    [named("a", { type: TarType.symlink, linkName: Buffer.from("/") }), named("a/b")],
    /before its directory/,
  ],
  ["a name twice", [named("a"), named("a")], /twice/],
  ["a root that is a file", [named("./")], /root is no directory/],
  [
    "a hard link before its file",
    [named("l", { type: TarType.hardLink, linkName: Buffer.from("a") }), named("a")],
    /leads nowhere/,
  ],
  [
    "a hard link to a directory",
    [
      named("d/", { type: TarType.directory }),
      named("l", { type: TarType.hardLink, linkName: Buffer.from("d") }),
    ],
    /leads nowhere/,
  ],
  ["a time beyond int64", [described("", "", `\x80${"\xff".repeat(11)}`)], /a time/],
  ["a time that is none", [described("mtime", "soon")], /a time/],
  ["an owner that is no number", [described("uid", "root")], /an owner/],
  ["an owner that cuts to root", [described("gid", "4294967296")], /an owner/],
  ["a negative owner", [described("uid", "-1")], /an owner/],
  [
    "a device that no kernel has",
    [named("d", { type: TarType.character, deviceMajor: 4096 })],
    /a device/,
  ],
  ["an attribute without a name", [described("SCHILY.xattr.", "v")], /an attribute/],
  [
    "an attribute whose name is too long",
    [described(`SCHILY.xattr.${"n".repeat(256)}`, "v")],
    /an attribute/,
  ],
  ["a body that is longer than the file", [named("a", { size: 4096 })], /ends inside a file/],
  ["no end", [], /cut/],
])("%s is damage", async (_, headers, message) => {
  const path = join(scratchDirectory(), "a.tar");
  const end = headers.length === 0 ? Buffer.alloc(0) : Buffer.alloc(1024);
  writeFileSync(path, Buffer.concat([...headers, end]));
  const error = await importErrorFrom(openTarReader(path, NEVER));
  expect(error.code).toBe("ERR_SNAPSHOT_DAMAGED");
  expect(error.message).toMatch(message);
});

test("an archive of many entries can be left in the middle, and one that is cut meanwhile is told", async () => {
  const path = join(scratchDirectory(), "a.tar");
  const entries: TreeEntry[] = Array.from({ length: 1200 }, (_, index) => ({
    path: `f${index}`,
    type: "file",
    content: Buffer.from("x"),
  }));
  writeFileSync(path, archiveOf(entries));
  const cancelled = await importErrorFrom(openTarReader(path, AbortSignal.abort()));
  expect(cancelled.code).toBe("ERR_CANCELLED");
  const reader = await openTarReader(path, NEVER);
  truncateSync(path, 10_000);
  expect(() => joinPieces(tarPieces(reader, () => undefined))).toThrow(/cut while it was read/);
  await reader.close();
  await reader.close();
});
