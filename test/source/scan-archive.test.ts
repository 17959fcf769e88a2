import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportError } from "../../src/errors.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import type { ArchiveIndex } from "../../src/source/archive-index.ts";
import { scanArchive } from "../../src/source/scan-archive.ts";
import { blockHeader, paxEntry } from "../support/hostile/tar-blocks.ts";
import { archiveOf, membersBlocks, type Member } from "../support/image-archives.ts";
import { importErrorFrom, importErrorOf, outcomeFrom } from "../support/import-error.ts";

/** What was read of an archive is told by `onRead`. */
function scan(
  archive: Buffer,
  {
    limits = {},
    signal = new AbortController().signal,
    onRead = () => undefined,
    sizeBytes = archive.length,
  }: {
    readonly limits?: Partial<typeof DEFAULT_LIMITS>;
    readonly signal?: AbortSignal;
    readonly onRead?: (bytes: number) => void;
    readonly sizeBytes?: number;
  } = {},
): Promise<ArchiveIndex> {
  return scanArchive(
    {
      sizeBytes,
      read: async (target, position) => {
        expect(position + target.length).toBeLessThanOrEqual(sizeBytes);
        onRead(target.length);
        target.set(archive.subarray(position, position + target.length));
      },
    },
    {
      fault: (code, problem, context) =>
        new ImportError(
          code === "ERR_LAYER_CORRUPT" ? "ERR_ARCHIVE_INVALID" : code,
          problem,
          context,
        ),
      limits: { ...DEFAULT_LIMITS, ...limits },
      signal,
    },
  );
}

function bodyOf(archive: Buffer, index: ArchiveIndex, name: string): string | undefined {
  const member = index.find(name);
  if (member === undefined) return undefined;
  return archive.toString("latin1", member.start, member.start + member.sizeBytes);
}

const LONG = `${"d/".repeat(80)}name`;

test("files are found by their clean names, through links inside the archive", async () => {
  const archive = archiveOf([
    { name: "./", type: "5" },
    { name: "./a/", type: "5" },
    { name: "./a/file", body: "one" },
    { name: "a/soft", type: "2", link: "../a/./file" },
    { name: "b/hard", type: "1", link: "a/soft" },
    { name: "old", type: "\0", body: "two" },
    { name: "olddir/", type: "\0" },
    { name: "empty" },
  ]);
  const index = await scan(archive);
  expect(bodyOf(archive, index, "a/file")).toBe("one");
  expect(bodyOf(archive, index, "a/soft")).toBe("one");
  expect(bodyOf(archive, index, "b/hard")).toBe("one");
  expect(bodyOf(archive, index, "old")).toBe("two");
  expect(bodyOf(archive, index, "empty")).toBe("");
  expect(index.find("nowhere")).toBeUndefined();
  expect(index.has("olddir")).toBe(false);
  expect(index.complete).toBe(true);
});

test("long names and links of pax and of GNU, and a pax size, count as in a layer", async () => {
  const archive = Buffer.concat([
    paxEntry([
      ["path", LONG],
      ["size", "3"],
    ]),
    blockHeader({ name: "short", sizeBytes: 99 }),
    Buffer.from("pax".padEnd(512, "\0")),
    membersBlocks({ name: "././@LongLink", type: "L", body: `gnu/${LONG}\0` }),
    membersBlocks({ name: "gnu", body: "gnu!" }),
    membersBlocks({ name: "././@LongLink", type: "K", body: `${LONG}\0` }),
    membersBlocks({ name: "link", type: "1", link: "cut" }),
    paxEntry([["linkpath", `gnu/${LONG}`]]),
    membersBlocks({ name: "paxlink", type: "2", link: "cut" }),
    Buffer.alloc(1024),
  ]);
  const index = await scan(archive);
  expect(bodyOf(archive, index, LONG)).toBe("pax");
  expect(bodyOf(archive, index, `gnu/${LONG}`)).toBe("gnu!");
  expect(bodyOf(archive, index, "link")).toBe("pax");
  expect(bodyOf(archive, index, "paxlink")).toBe("gnu!");
});

test("large members are stepped over: only headers are read", async () => {
  const archive = archiveOf(
    Array.from({ length: 3 }, (_, at) => ({ name: `m${at}`, body: Buffer.alloc(1 << 20) })),
  );
  let bytesRead = 0;
  await scan(archive, { onRead: (bytes) => (bytesRead += bytes) });
  expect(bytesRead).toBeLessThanOrEqual(4 * (64 << 10));
});

test("a name that is there twice is the first one, and said to be so, through links too", async () => {
  const archive = archiveOf([
    { name: "a", body: "1" },
    { name: "./a", body: "2" },
    { name: "b", type: "2", link: "a" },
    { name: "c", body: "3" },
  ]);
  const index = await scan(archive);
  expect(bodyOf(archive, index, "a")).toBe("1");
  expect(index.find("a")?.ambiguous).toBe(true);
  expect(index.find("b")?.ambiguous).toBe(true);
  expect(index.find("c")?.ambiguous).toBe(false);
});

test.each<[string, Member, RegExp]>([
  ["out of the archive", { name: "x", type: "2", link: "../../etc/passwd" }, /leads out of it/],
  ["to an absolute path", { name: "x", type: "2", link: "/etc/passwd" }, /leads out of it/],
  ["hard to an absolute path", { name: "x", type: "1", link: "/etc/passwd" }, /leads out of it/],
  ["hard up and back", { name: "x", type: "1", link: "a/../b" }, /leads out of it/],
  ["to itself", { name: "x", type: "2", link: "./x" }, /too many links/],
])("a link %s is refused where it is followed", async (_, member, message) => {
  const index = await scan(archiveOf([member]));
  const error = importErrorOf(() => index.find("x"));
  expect(error.code).toBe("ERR_ARCHIVE_INVALID");
  expect(error.message).toMatch(message);
});

test("a device is no file, and a link to nothing is nothing", async () => {
  const index = await scan(
    archiveOf([
      { name: "null", type: "3" },
      { name: "gone", type: "2", link: "nowhere" },
    ]),
  );
  expect(importErrorOf(() => index.find("null")).message).toMatch(/"null" is no regular file/);
  expect(index.find("gone")).toBeUndefined();
});

test.each<[string, Buffer, RegExp]>([
  ["with an absolute name", archiveOf([{ name: "/oci-layout" }]), /name that leads out/],
  ["with .. in a name", archiveOf([{ name: "a/../../b" }]), /name that leads out/],
  ["with .. inside", archiveOf([{ name: "a/../b" }]), /name that leads out/],
  ["that is text", Buffer.from("root:x:0:0:".repeat(100)), /no tar archive/],
  ["that is short text", Buffer.from("root:x:0:0:"), /no tar archive/],
  ["with an old sparse file", archiveOf([{ name: "s", type: "S" }]), /sparse/],
  [
    "with a pax sparse file",
    Buffer.concat([
      paxEntry([
        ["GNU.sparse.major", "1"],
        ["GNU.sparse.minor", "0"],
      ]),
      archiveOf([{ name: "s" }]),
    ]),
    /sparse/,
  ],
  [
    "with a header after a block of zeros",
    Buffer.concat([membersBlocks({ name: "a" }), Buffer.alloc(512), archiveOf([{ name: "b" }])]),
    /single block of zeros at byte 512/,
  ],
  [
    "with garbage for a header",
    Buffer.concat([membersBlocks({ name: "a" }), Buffer.alloc(512, "x")]),
    /wrong checksum at byte 512/,
  ],
  [
    "with a bad pax record",
    Buffer.concat([membersBlocks({ name: "p", type: "x", body: "9 a=b\n" }), archiveOf([])]),
    /malformed pax record/,
  ],
  [
    "with a size that is none",
    Buffer.concat([paxEntry([["size", "-5"]]), archiveOf([{ name: "a" }])]),
    /size that is none/,
  ],
  [
    "with a size beyond all files",
    Buffer.concat([paxEntry([["size", "9".repeat(19)]]), archiveOf([{ name: "a" }])]),
    /is cut: .* inside "a"/,
  ],
])("an archive %s is refused", async (_, archive, message) => {
  const error = await importErrorFrom(scan(archive));
  expect(error.code).toBe("ERR_ARCHIVE_INVALID");
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("root:x");
});

/** A pax header of 1024 bytes, `a` with ten bytes, `b` without, the end marker: 512 bytes each. */
test.each([
  [1, 511, /no tar archive/],
  [512, 523, /cut: its \d+ bytes end inside an extension header/],
  [524, 1024, /cut: its \d+ bytes end between an extension header and its entry/],
  [1025, 1535, /cut: its \d+ bytes end inside a header/],
  [1536, 1545, /cut: its \d+ bytes end inside "abc"/],
  [1546, 2048, /^no end marker$/],
  [2049, 2559, /cut: its \d+ bytes end inside a header/],
  [2560, 2560, /^no end marker$/],
  [3072, 3072, /^whole$/],
  [3584, 3584, /^whole$/],
])("an archive cut at byte %i to %i", async (first, last, told) => {
  const whole = archiveOf([
    { name: "p", type: "x", body: "12 path=abc\n" },
    { name: "a", body: "0123456789" },
    { name: "b" },
  ]);
  for (const length of [first, (first + last) >> 1, last]) {
    const outcome = await scan(whole.subarray(0, length)).then(
      ({ complete }) => (complete ? "whole" : "no end marker"),
      (error: Error) => error.message,
    );
    expect(outcome).toMatch(told);
  }
});

test("what follows the end marker is not looked at", async () => {
  const archive = Buffer.concat([archiveOf([{ name: "a" }]), archiveOf([{ name: "b" }])]);
  const index = await scan(archive);
  expect([index.has("a"), index.has("b")]).toEqual([true, false]);
});

test.each([
  [
    "metadataBytes",
    { metadataBytes: 4103 },
    archiveOf([{ name: "a" }, { name: "b" }]),
    "ERR_LIMIT_EXCEEDED",
  ],
  ["pathBytes", { pathBytes: 3 }, archiveOf([{ name: "long" }]), "ERR_NAME_TOO_LONG"],
  [
    "extensionHeaderBytes",
    { extensionHeaderBytes: 10 },
    Buffer.concat([paxEntry([["path", "name"]]), archiveOf([{ name: "a" }])]),
    "ERR_LIMIT_EXCEEDED",
  ],
  [
    "extensionHeaders",
    { extensionHeaders: 1 },
    Buffer.concat([
      paxEntry([["path", "b"]]),
      paxEntry([["path", "c"]]),
      archiveOf([{ name: "a" }]),
    ]),
    "ERR_LIMIT_EXCEEDED",
  ],
])("the limit %s holds", async (limit, limits, archive, code) => {
  const error = await importErrorFrom(scan(archive, { limits }));
  expect(error.code).toBe(code);
  expect(error.details).toMatchObject({ limit });
  expect(error.hint).toContain(`--limit ${limit}=VALUE`);
});

test("links are followed as often as the limit says", async () => {
  const archive = archiveOf([
    { name: "x0", body: "end" },
    ...[1, 2, 3].map((at) => ({ name: `x${at}`, type: "2", link: `x${at - 1}` })),
  ]);
  const index = await scan(archive, { limits: { symlinksFollowed: 2 } });
  expect(bodyOf(archive, index, "x2")).toBe("end");
  expect(importErrorOf(() => index.find("x3")).message).toMatch(/too many links/);
});

test("a scan can be cancelled", async () => {
  const controller = new AbortController();
  const running = scan(
    archiveOf([{ name: "a" }, { name: "b", body: Buffer.alloc(1 << 17) }, { name: "c" }]),
    {
      signal: controller.signal,
      onRead: () => controller.abort(),
    },
  );
  expect((await importErrorFrom(running)).code).toBe("ERR_CANCELLED");
});

const CODES = ["ERR_ARCHIVE_INVALID", "ERR_LIMIT_EXCEEDED", "ERR_NAME_TOO_LONG"];

/** Makes the block at `at` a header again, or ruins a body's eight bytes. */
function rewriteChecksum(archive: Buffer, at: number): void {
  const block = archive.subarray(at - (at % 512), at - (at % 512) + 512);
  block.write(" ".repeat(8), 148, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148, "latin1");
}

async function scanAndFind(archive: Buffer): Promise<void> {
  const index = await scan(archive);
  for (const name of ["a", "b", "c", LONG, `gnu/${LONG}`]) {
    const member = index.find(name);
    if (member === undefined) continue;
    expect(member.start + member.sizeBytes).toBeLessThanOrEqual(archive.length);
  }
}

test("whatever bytes are changed: members that lie in the archive, or an error of it", async () => {
  const whole = Buffer.concat([
    paxEntry([["path", LONG]]),
    archiveOf([
      { name: "a", body: "0123456789" },
      { name: "b", type: "2", link: "a" },
      { name: "././@LongLink", type: "L", body: `gnu/${LONG}\0` },
      { name: "c", body: "x".repeat(600) },
    ]),
  ]);
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
  const changes = fc.array(change, { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(changes, fc.boolean(), async (all, keepsChecksums) => {
      const archive = Buffer.from(whole);
      for (const { at, byte } of all) {
        archive[at] = byte;
        if (keepsChecksums) rewriteChecksum(archive, at);
      }
      const outcome = await outcomeFrom(scanAndFind(archive));
      expect([undefined, ...CODES]).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});
