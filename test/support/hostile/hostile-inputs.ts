import { createHash, randomBytes } from "node:crypto";
import { DEFAULT_LIMITS, type Limits } from "../../../src/limits.ts";
import {
  amongEmptyMembers,
  gzip,
  plain,
  zstd,
  zstdWithWindow,
  type Encoding,
  type HostileImage,
} from "./hostile-layout.ts";
import { blockEntry, blockHeader, gathered, paxEntry, paxRecord } from "./tar-blocks.ts";

/** What an import must make of an input: a tree of so many entries, or one typed refusal. */
export type Expected =
  | { readonly entries: number }
  | { readonly code: string; readonly limit?: keyof Limits };

export interface HostileInput {
  readonly name: string;
  readonly image: HostileImage;
  /** Of the import. */
  readonly options?: readonly string[];
  readonly expected: Expected;
}

const MIB = 2 ** 20;
const ZEROS = Buffer.alloc(16 * MIB);

/**
 * The attacks that an importer meets (issue 5, layer-cases.md §3), each a small generator.
 * @param scale 1 for the sizes of the issue; less for the same shapes in a test of seconds
 */
export function hostileInputs(scale = 1): readonly HostileInput[] {
  const count = (full: number): number => Math.max(1, Math.ceil(full * scale));
  return [
    ...bombs(count),
    ...headers(count),
    ...manyEntries(count),
    ...shapes(count),
    ...encodings(count),
    ...documents(count),
  ];
}

type Count = (full: number) => number;

const layer = (pieces: () => Iterable<Uint8Array>, encoding: Encoding = gzip) => ({
  pieces: () => gathered(pieces()),
  encoding,
});
const one = (pieces: () => Iterable<Uint8Array>, encoding?: Encoding): HostileImage => ({
  layers: [layer(pieces, encoding)],
});
const RAISED = ["--limit", "expansionRatio=100000"];

function bombs(count: Count): readonly HostileInput[] {
  const pieces = count(640);
  function* zeros(): Generator<Uint8Array> {
    yield blockHeader({ name: "zeros", sizeBytes: pieces * ZEROS.length });
    for (let piece = 0; piece < pieces; piece++) yield ZEROS;
  }
  const isBomb = pieces * ZEROS.length > 2 ** 30;
  const bombed: Expected = isBomb
    ? { code: "ERR_LIMIT_EXCEEDED", limit: "expansionRatio" }
    : { entries: 2 };
  return [
    { name: "10 GiB of zeros, gzip", image: ungathered(zeros, gzip), expected: bombed },
    {
      name: "10 GiB of zeros, gzip, limits raised",
      image: ungathered(zeros, gzip),
      options: RAISED,
      expected: { entries: 2 },
    },
    { name: "10 GiB of zeros, zstd", image: ungathered(zeros, zstd), expected: bombed },
  ];
}

/** Pieces that are compressed once each must stay the same object. */
const ungathered = (pieces: () => Iterable<Uint8Array>, encoding: Encoding): HostileImage => ({
  layers: [{ pieces, encoding }],
});

function headers(count: Count): readonly HostileInput[] {
  const bytes = count(100 * MIB);
  const tooLong: Expected = { code: "ERR_LIMIT_EXCEEDED", limit: "extensionHeaderBytes" };
  const long = bytes > MIB;
  const claim = blockHeader({ name: "pax", type: "x", sizeBytes: bytes });
  const xattrs = count(100_000);
  const attributes = Array.from({ length: xattrs }, (_, n) =>
    paxRecord(`SCHILY.xattr.user.a${n}`, "v"),
  ).join("");
  const name = "n".repeat(count(100_000));
  return [
    {
      name: "a PAX header of 100 MB",
      image: one(function* pieces() {
        yield claim;
        const [body, end] = [Buffer.alloc(MIB, "A"), bytes];
        for (let at = 0; at < end; at += body.length) yield body.subarray(0, end - at);
      }),
      expected: long ? tooLong : { code: "ERR_LAYER_CORRUPT" },
    },
    {
      name: "100,000 xattrs on one file",
      image: one(function* pieces() {
        yield blockEntry({ name: "pax", type: "x" }, Buffer.from(attributes));
        yield blockHeader({ name: "file" });
      }),
      expected: attributes.length > MIB ? tooLong : { code: "ERR_LIMIT_EXCEEDED", limit: "xattrs" },
    },
    {
      name: "a name of 100 kB",
      image: one(function* pieces() {
        yield paxEntry([["path", name]]);
        yield blockHeader({ name: "short" });
      }),
      expected: { code: "ERR_NAME_TOO_LONG", limit: "pathBytes" },
    },
    {
      name: "headers of random bytes",
      image: one(() => noise(count(64 * MIB)), plain),
      expected: { code: "ERR_LAYER_CORRUPT" },
    },
    {
      name: "headers of random bytes after a good entry",
      image: one(function* pieces() {
        yield blockHeader({ name: "file" });
        yield* noise(count(64 * MIB));
      }),
      expected: { code: "ERR_LAYER_CORRUPT" },
    },
  ];
}

function* noise(bytes: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes; at += 64 * 512) {
    const parts = Array.from({ length: 1024 }, (_, n) =>
      createHash("sha256").update(`${at} ${n}`).digest(),
    );
    yield Buffer.concat(parts);
  }
}

/** Files with an attribute of 60 kB each, no two of them equal. */
function* withAttributes(
  name: string,
  { files, compressible }: { readonly files: number; readonly compressible: boolean },
): Generator<Uint8Array> {
  const zeros = "0".repeat(59_990);
  for (let n = 0; n < files; n++) {
    const value = compressible ? zeros : randomBytes(59_990).toString("latin1");
    yield paxEntry([["SCHILY.xattr.user.a", `${name}${n}`.padEnd(10) + value]]);
    yield blockHeader({ name: `${name}${n}` });
  }
}

function tooMuchMetadata(files: number): Expected {
  if (files * 60_000 < DEFAULT_LIMITS.metadataBytes) return { entries: files + 1 };
  return { code: "ERR_LIMIT_EXCEEDED", limit: "metadataBytes" };
}

function manyEntries(count: Count): readonly HostileInput[] {
  const million = count(1_000_000);
  const links = Math.min(million, 65_000);
  const files = count(10_000);
  const fitting = Math.min(files, Math.floor(DEFAULT_LIMITS.metadataBytes / 60_020));
  return [
    {
      name: "1,000,000 empty files",
      image: one(function* pieces() {
        for (let n = 0; n < million; n++) {
          yield blockHeader({ name: `d${Math.floor(n / 1000)}/f${n % 1000}` });
        }
      }),
      expected: { entries: 1 + million + Math.ceil(million / 1000) },
    },
    {
      name: "1,000,000 empty files in one directory",
      image: one(function* pieces() {
        for (let n = 0; n < million; n++) yield blockHeader({ name: `f${n}` });
      }),
      expected: { entries: 1 + million },
    },
    {
      name: "1,000,000 small files",
      image: one(function* pieces() {
        for (let n = 0; n < million; n++) {
          yield blockEntry({ name: `d${Math.floor(n / 1000)}/f${n % 1000}` }, Buffer.from("x"));
        }
      }),
      options: ["--disk_mb", "40960"],
      expected: { entries: 1 + million + Math.ceil(million / 1000) },
    },
    {
      name: "60 kB of noise in xattrs on each of 10,000 files",
      image: one(() => withAttributes("f", { files, compressible: false }), plain),
      expected: tooMuchMetadata(files),
    },
    {
      name: "60 kB of zeros in xattrs on each of 10,000 files",
      image: one(() => withAttributes("f", { files, compressible: true }), zstd),
      options: RAISED,
      expected: tooMuchMetadata(files),
    },
    {
      name: "two layers that together have all the xattrs that fit",
      image: {
        layers: [
          layer(() => withAttributes("a", { files: fitting, compressible: true }), plain),
          layer(() => withAttributes("b", { files: fitting, compressible: false }), plain),
        ],
      },
      expected: tooMuchMetadata(2 * fitting),
    },
    {
      name: "1,000,000 hard links to one file",
      image: one(function* pieces() {
        yield blockEntry({ name: "file" }, Buffer.from("contents"));
        for (let n = 0; n < million; n++)
          yield blockHeader({ name: `l${n}`, type: "1", link: "file" });
      }),
      expected:
        million > 65_000
          ? { code: "ERR_LIMIT_EXCEEDED", limit: "hardLinks" }
          : { entries: 2 + links },
    },
    {
      name: "1,000,000 hard links to 20 files",
      image: one(function* pieces() {
        for (let n = 0; n < 20; n++)
          yield blockEntry({ name: `file${n}` }, Buffer.from("contents"));
        for (let n = 0; n < million; n++) {
          yield blockHeader({ name: `l${n}`, type: "1", link: `file${n % 20}` });
        }
      }),
      expected: { entries: 21 + million },
    },
    {
      name: "1,000,000 whiteouts",
      image: {
        layers: [
          layer(function* pieces() {
            yield blockHeader({ name: "kept" });
            yield blockHeader({ name: "d/gone" });
          }),
          layer(function* pieces() {
            yield blockHeader({ name: "d/.wh.gone" });
            for (let n = 1; n < million; n++) yield blockHeader({ name: `.wh.f${n}` });
          }),
        ],
      },
      expected: { entries: 3 },
    },
  ];
}

function shapes(count: Count): readonly HostileInput[] {
  const depth = count(10_000);
  const deepName = Array.from({ length: depth }, () => "d").join("/");
  const links = count(100_000);
  const segments = count(4_000_000);
  return [
    {
      name: "10,000 nested directories",
      image: one(function* pieces() {
        yield paxEntry([["path", `${deepName}/`]]);
        yield blockHeader({ name: "d/", type: "5" });
      }),
      expected:
        depth > 2048 ? { code: "ERR_NAME_TOO_LONG", limit: "pathBytes" } : { entries: 1 + depth },
    },
    {
      name: "10,000 nested directories, one below the other through links",
      image: one(function* pieces() {
        yield blockHeader({ name: "l0", type: "2", link: "." });
        for (let n = 0; n < depth; n++) {
          yield blockHeader({ name: `l${n}/d`, type: "5" });
          yield blockHeader({ name: `l${n + 1}`, type: "2", link: `l${n}/d` });
        }
      }),
      expected:
        depth > 40
          ? { code: "ERR_LINK_LOOP", limit: "symlinksFollowed" }
          : { entries: 2 + 2 * depth },
    },
    {
      name: "a chain of 100,000 symlinks, and a file behind it",
      image: one(function* pieces() {
        yield blockHeader({ name: "l0", type: "5" });
        for (let n = 0; n < links; n++) {
          yield blockHeader({ name: `l${n + 1}`, type: "2", link: `l${n}` });
        }
        yield blockHeader({ name: `l${links}/file` });
      }),
      expected:
        links > 40 ? { code: "ERR_LINK_LOOP", limit: "symlinksFollowed" } : { entries: 3 + links },
    },
    {
      name: "a sparse map of 4,000,000 segments",
      image: one(() => sparseFile(segments)),
      expected:
        segments > 1_000_000
          ? { code: "ERR_LIMIT_EXCEEDED", limit: "sparseSegments" }
          : { entries: 2 },
    },
    {
      name: "a sparse map of 1,000,000 segments with data",
      image: one(() => sparseFile(count(1_000_000), 1)),
      options: ["--disk_mb", "20480"],
      expected: { entries: 2 },
    },
    {
      name: "a sparse file of 8 EiB without data",
      image: one(function* pieces() {
        yield* sparseHeader("0\n", 2 ** 63, 0);
      }),
      expected: { code: "ERR_LIMIT_EXCEEDED", limit: "fileBytes" },
    },
  ];
}

/** GNU sparse 1.0: the map, a number a line, is the first part of the body. */
export function* sparseFile(segments: number, bytes = 0): Generator<Uint8Array> {
  const lines = Array.from({ length: segments }, (_, n) => `${n * 8192}\n${bytes}\n`);
  yield* sparseHeader(`${segments}\n${lines.join("")}`, segments * 8192, segments * bytes);
  if (bytes === 0) return;
  const data = Buffer.alloc(segments * bytes, "x");
  yield data;
  yield Buffer.alloc((512 - (data.length % 512)) % 512);
}

function* sparseHeader(map: string, realSize: number, dataBytes: number): Generator<Uint8Array> {
  const body = Buffer.from(map);
  const mapBytes = Math.ceil(body.length / 512) * 512;
  yield paxEntry([
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    ["GNU.sparse.name", "sparse"],
    ["GNU.sparse.realsize", BigInt(realSize).toString()],
  ]);
  yield blockHeader({ name: "GNUSparseFile.0/sparse", sizeBytes: mapBytes + dataBytes });
  yield body;
  yield Buffer.alloc(mapBytes - body.length);
}

function* oneFile(): Generator<Uint8Array> {
  yield blockEntry({ name: "file" }, Buffer.from("contents"));
}

function encodings(count: Count): readonly HostileInput[] {
  return [
    {
      name: "2,000,000 empty gzip members around a layer",
      image: one(oneFile, amongEmptyMembers(count(1_000_000))),
      expected: { entries: 2 },
    },
    {
      name: "a zstd frame with a window of 2 GiB",
      image: one(oneFile, zstdWithWindow(31)),
      expected: { code: "ERR_LIMIT_EXCEEDED", limit: "zstdWindowBytes" },
    },
    {
      name: "a zstd frame with a window of 128 MiB",
      image: one(oneFile, zstdWithWindow(27)),
      expected: { entries: 2 },
    },
    {
      name: "8 layers of zstd frames with windows of 128 MiB, filled",
      image: {
        layers: Array.from({ length: 8 }, (_, n) =>
          layer(function* pieces() {
            yield blockHeader({ name: `file${n}`, sizeBytes: count(192) * MIB });
            for (let piece = 0; piece < count(192); piece++) yield Buffer.alloc(MIB, `${n}`);
          }, zstdWithWindow(27)),
        ),
      },
      expected: { entries: 9 },
    },
  ];
}

function documents(count: Count): readonly HostileInput[] {
  const file = layer(function* pieces() {
    yield blockHeader({ name: "file" });
  });
  const layers = count(10_000);
  return [
    {
      name: "a manifest of 10,000 layers",
      image: { layers: [file], repeated: layers },
      expected: layers > 1000 ? { code: "ERR_LIMIT_EXCEEDED", limit: "layers" } : { entries: 2 },
    },
    {
      name: "1,000 layers of one entry",
      image: {
        layers: Array.from({ length: count(1000) }, (_, n) =>
          layer(function* pieces() {
            yield blockEntry({ name: `f${n}` }, Buffer.from(`${n}`));
          }),
        ),
      },
      expected: { entries: 1 + count(1000) },
    },
    {
      name: "a manifest of 100 MB",
      image: { layers: [file], manifestPadding: Math.max(9 * MIB, count(100 * MIB)) },
      expected: { code: "ERR_MANIFEST_INVALID", limit: "manifestBytes" },
    },
    {
      name: "a config of 100 MB",
      image: { layers: [file], configPadding: Math.max(9 * MIB, count(100 * MIB)) },
      expected: { code: "ERR_MANIFEST_INVALID", limit: "configBytes" },
    },
  ];
}
