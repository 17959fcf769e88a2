import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { linkSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { extract, pack } from "tar-stream";
import { expect, test } from "vitest";
import { decodeLayer } from "../support/decode-layer.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { DecodedEntry } from "../support/decode-layer.ts";

/** What both sides must agree on. */
interface Row {
  readonly type: string;
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtime: number;
  readonly link: string;
  readonly body: string;
}

const rowOf = ({ type, path, mode, uid, mtime, link, body }: DecodedEntry): Row => ({
  type,
  path,
  mode,
  uid,
  mtime: mtime[0],
  link,
  body,
});

const latin1 = (text: string): string => Buffer.from(text).toString("latin1");
const clean = (name: string): string =>
  name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");

/** The entries of an archive as tar-stream reads them: another implementation, of other people. */
async function readByTarStream(tar: Buffer): Promise<Row[]> {
  const rows: Row[] = [];
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const { header } = entry;
    const body = await buffer(entry);
    const hardlink = header.type === "link";
    rows.push({
      type: hardlink ? "hardlink" : (header.type ?? "none"),
      path: latin1(clean(header.name)),
      mode: (header.mode ?? 0) & 0o7777,
      uid: header.uid ?? 0,
      mtime: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
      link: latin1(hardlink ? clean(header.linkname ?? "") : (header.linkname ?? "")),
      body: body.toString("latin1"),
    });
  }
  return rows;
}

const part = fc.stringMatching(/^[a-zA-Z0-9_ é-]{1,60}$/);
const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
const common = {
  name: path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  // Later times overflow in tar-stream.
  mtime: fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((seconds) => new Date(seconds * 1000)),
};
const headers = fc.oneof(
  fc.record({
    ...common,
    type: fc.constant("file" as const),
    body: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    ...common,
    type: fc.constant("directory" as const),
    body: fc.constant(Buffer.alloc(0)),
  }),
  fc.record({
    ...common,
    type: fc.constantFrom("symlink" as const, "link" as const),
    linkname: path,
    body: fc.constant(Buffer.alloc(0)),
  }),
);

test("what tar-stream writes is read as tar-stream reads it, compressed and cut in any way", async () => {
  const pushes = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.array(headers, { maxLength: 8 }), pushes, async (entries, lengths) => {
      const archive = pack();
      for (const { body, ...header } of entries) archive.entry(header, body);
      archive.finalize();
      const tar = await buffer(archive);
      const expected = await readByTarStream(tar);
      expect(expected.length).toBe(entries.length);
      for (const blob of [tar, gzipSync(tar), zstdCompressSync(tar)]) {
        expect(decodeLayer(tar, blob, { pushes: lengths }).entries.map(rowOf)).toEqual(expected);
      }
    }),
    { numRuns: 60 },
  );
});

/** A tree with what GNU tar treats in its own ways: long names and targets, links, a sparse file, odd names. */
function makeTree(): string {
  const root = scratchDirectory();
  const deep = `${root}/${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
  mkdirSync(deep, { recursive: true });
  mkdirSync(`${root}/short`, { mode: 0o750 });
  writeFileSync(`${root}/short/a`, "content of a\n");
  writeFileSync(`${root}/short/new\nline`, Buffer.alloc(3000, "x"));
  writeFileSync(`${root}/short/é`, "");
  linkSync(`${root}/short/a`, `${root}/short/b`);
  symlinkSync("../nowhere//./x", `${root}/short/s`);
  writeFileSync(`${root}/short/sparse`, "begin");
  truncateSync(`${root}/short/sparse`, 300_000);
  utimesSync(`${root}/short/a`, 1_500_000_000, 1_600_000_000.25);
  return root;
}

function gnuTar(root: string, ...options: readonly string[]): Buffer {
  const args = [
    "--sort=name",
    "--owner=1234",
    "--group=4321",
    ...options,
    "-cf",
    "-",
    "-C",
    root,
    ".",
  ];
  return execFileSync("tar", args, { maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: "C" } });
}

function gnuTarOfLongNames(root: string, ...options: readonly string[]): Buffer {
  const deep = `${root}/${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
  writeFileSync(`${deep}/${"g".repeat(200)}`, "deep\n");
  symlinkSync("t/".repeat(100), `${deep}/link`);
  linkSync(`${deep}/${"g".repeat(200)}`, `${deep}/hard`);
  return gnuTar(root, ...options);
}

test.each([
  ["gnu", gnuTarOfLongNames, ["--format=gnu"]],
  ["pax", gnuTarOfLongNames, ["--format=pax"]],
  ["gnu, sparse", gnuTarOfLongNames, ["--format=gnu", "--sparse"]],
  ["pax, sparse 1.0", gnuTarOfLongNames, ["--format=pax", "--sparse"]],
  ["pax, sparse 0.1", gnuTarOfLongNames, ["--format=pax", "--sparse", "--sparse-version=0.1"]],
  ["pax, sparse 0.0", gnuTarOfLongNames, ["--format=pax", "--sparse", "--sparse-version=0.0"]],
])("what GNU tar writes is what is on the disk: format %s", (_format, write, options) => {
  const root = makeTree();
  const tar = write(root, ...options);
  const rows = new Map(decodeLayer(tar, tar).entries.map((entry) => [entry.path, entry]));
  const deep = `${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
  const longest = `${deep}/${"g".repeat(200)}`;
  expect(rows.get(longest)?.body).toBe("deep\n");
  expect(rows.get(`${deep}/hard`)).toMatchObject({ type: "hardlink", link: longest });
  expect(rows.get(`${deep}/link`)?.link).toBe("t/".repeat(100));
  expectTree(rows);
  const subsecond = options.includes("--format=pax") ? 250_000_000 : 0;
  expect(rows.get("short/a")?.mtime).toEqual([1_600_000_000, subsecond]);
});

test.each(["v7", "ustar", "oldgnu", "posix"])("GNU tar's format %s, with short names", (format) => {
  const root = makeTree();
  const tar = gnuTar(root, `--format=${format}`, "--exclude=eeee*");
  const rows = new Map(decodeLayer(tar, tar).entries.map((entry) => [entry.path, entry]));
  expect(rows.has("d".repeat(90))).toBe(true);
  expectTree(rows);
});

function expectTree(rows: ReadonlyMap<string, DecodedEntry>): void {
  expect(rows.get("")).toMatchObject({ type: "directory", uid: 1234, gid: 4321 });
  expect(rows.get("short")).toMatchObject({ type: "directory", mode: 0o750 });
  expect(rows.get("short/a")?.body).toBe("content of a\n");
  expect(rows.get("short/b")).toMatchObject({ type: "hardlink", link: "short/a" });
  expect(rows.get("short/new\nline")?.body).toBe("x".repeat(3000));
  expect(rows.get(latin1("short/é"))).toMatchObject({ type: "file", size: 0 });
  expect(rows.get("short/s")).toMatchObject({ type: "symlink", link: "../nowhere//./x" });
  const sparse = rows.get("short/sparse");
  expect(sparse?.body === `begin${"\0".repeat(299_995)}`).toBe(true);
}
