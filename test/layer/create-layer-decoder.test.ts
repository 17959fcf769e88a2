import fc from "fast-check";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { digestText } from "../support/digest-text.ts";
import { outcomeOf } from "../support/import-error.ts";
import { archive, decodeLayer, sha256 } from "../support/decode-layer.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { ImportError } from "../../src/errors.ts";
import { createLayerDecoder } from "../../src/layer/create-layer-decoder.ts";
import { requireDigest } from "../../src/oci/digest.ts";
import type { BodyTarget } from "../../src/layer/layer-decoder.ts";

const tar = archive([
  { path: "etc", type: "dir", mode: "0750", uid: 7, gid: 8 },
  { path: "etc/long", type: "file", size: 70_000, fill: "abc", mtime: "1700000000.5" },
  { path: "n".repeat(120), type: "file", content: "pax", xattrs: { "user.k": "v" } },
  { path: "g".repeat(120), type: "symlink", linkname: "t".repeat(130), format: "gnu" },
  { path: "etc/.wh.gone", type: "file" },
  { path: "etc/h", type: "hardlink", linkname: "etc/long" },
  {
    path: "sparse",
    type: "file",
    content: `1\n9000\n1\n${"\0".repeat(503)}x`,
    pax: {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.realsize": "10000",
    },
  },
  { path: "empty", type: "file" },
]);
const blobs = {
  none: tar,
  gzip: gzipSync(tar, { level: 1 }),
  members: Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
  zstd: zstdCompressSync(tar),
  frames: Buffer.concat([
    zstdCompressSync(tar.subarray(0, 700)),
    zstdCompressSync(tar.subarray(700)),
  ]),
};

const discard: BodyTarget = {
  begin: () => undefined,
  write: () => undefined,
  skip: () => undefined,
  end: () => 0,
};

/** A decoder of a layer that is what it says, writing to nowhere. */
function decoderOf(
  blob: Uint8Array,
  bodies: BodyTarget = discard,
): ReturnType<typeof createLayerDecoder> {
  return createLayerDecoder({
    label: "layer 3 of 4 of ghcr.io/org/app:1.2",
    layer: 2,
    digest: sha256(blob),
    sizeBytes: blob.length,
    diffId: sha256(blob),
    limits: DEFAULT_LIMITS,
    bodies,
    onBatch: () => undefined,
  });
}

describe("any compression, in any pieces", () => {
  test.each(Object.entries(blobs))("%s: the same entries, bodies and batches", (name, blob) => {
    const whole = decodeLayer(tar, tar);
    const pushes = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(pushes, (lengths) => {
        const parts = decodeLayer(tar, blob, { pushes: lengths });
        expect(parts.entries).toEqual(whole.entries);
        expect(parts.batches).toEqual(whole.batches);
        expect(parts.summary.bodyBytes).toBe(70_000 * 3 + 3 + 1);
      }),
      { numRuns: name === "none" ? 60 : 25 },
    );
  });

  test.each(Object.entries(blobs))("%s: byte by byte", (_name, blob) => {
    const { entries } = decodeLayer(tar, blob, { pushes: [1] });
    expect(entries).toEqual(decodeLayer(tar, tar).entries);
  });

  test("the summary counts", () => {
    const { summary } = decodeLayer(tar, blobs.gzip);
    expect(summary).toEqual({
      compression: "gzip",
      compressedBytes: blobs.gzip.length,
      decodedBytes: tar.length,
      entries: 8,
      bodies: 3,
      bodyBytes: 210_004,
    });
    expect(decodeLayer(tar, blobs.zstd).summary.compression).toBe("zstd");
    expect(decodeLayer(tar, tar).summary.compression).toBe("none");
  });

  test("a layer of no bytes, or of fewer than tell its kind, is none or cut", () => {
    const nothing = Buffer.alloc(0);
    expect(decodeLayer(nothing, nothing).entries).toEqual([]);
    expect(decodeLayer(nothing, gzipSync("")).entries).toEqual([]);
    expect(outcomeOf(() => decodeLayer(Buffer.from("ab"), Buffer.from("ab")))).toBe(
      "ERR_LAYER_TRUNCATED",
    );
    const half = Buffer.from([0x1f, 0x8b]);
    expect(outcomeOf(() => decodeLayer(half, half))).toBe("ERR_LAYER_TRUNCATED");
  });
});

const outcomeOfLayer = (bytes: Buffer, options: Parameters<typeof decodeLayer>[2]): string =>
  outcomeOf(() => decodeLayer(bytes, bytes, options));

const sha512 = (bytes: Buffer): ReturnType<typeof requireDigest> =>
  requireDigest(digestText(bytes, "sha512"), "test");

describe("verification", () => {
  const other = sha256(Buffer.from("other"));

  test("what is wrong first is told: size, digest, damage, cut, diff_id", () => {
    const damaged = Buffer.from(tar);
    damaged.write("X", 0);
    const cut = tar.subarray(0, 1000);
    expect(
      outcomeOfLayer(damaged, { sizeBytes: tar.length + 1, digest: other, diffId: other }),
    ).toBe("ERR_SIZE_MISMATCH");
    expect(outcomeOfLayer(damaged, { digest: other, diffId: other })).toBe("ERR_DIGEST_MISMATCH");
    expect(outcomeOfLayer(damaged, { diffId: other })).toBe("ERR_LAYER_CORRUPT");
    expect(outcomeOfLayer(cut, { diffId: other })).toBe("ERR_LAYER_TRUNCATED");
    expect(outcomeOfLayer(tar, { diffId: other })).toBe("ERR_DIFF_ID_MISMATCH");
    expect(outcomeOf(() => decodeLayer(tar, blobs.gzip, { diffId: other }))).toBe(
      "ERR_DIFF_ID_MISMATCH",
    );
  });

  test("the diff_id counts what follows the end of the archive", () => {
    const longer = Buffer.concat([tar, Buffer.from("more")]);
    expect(outcomeOf(() => decodeLayer(longer, gzipSync(longer)))).toBe("ok");
    expect(outcomeOf(() => decodeLayer(tar, gzipSync(longer)))).toBe("ERR_DIFF_ID_MISMATCH");
  });

  test("digests of other algorithms are checked too", () => {
    expect(outcomeOf(() => decodeLayer(tar, tar, { digest: sha512(tar) }))).toBe("ok");
    expect(outcomeOf(() => decodeLayer(tar, tar, { diffId: sha512(tar) }))).toBe("ok");
    expect(outcomeOf(() => decodeLayer(tar, tar, { diffId: sha512(blobs.gzip) }))).toBe(
      "ERR_DIFF_ID_MISMATCH",
    );
  });

  test("damage is kept until the digest is known, and nothing is decoded any more", () => {
    const damaged = Buffer.from(tar);
    damaged.write("X", 0);
    const decoder = decoderOf(damaged);
    decoder.push(damaged.subarray(0, 2000));
    decoder.push(damaged.subarray(2000));
    expect([decoder.entries, decoder.decodedBytes]).toEqual([0, 2000]);
    expect(outcomeOf(() => decoder.finish())).toBe("ERR_LAYER_CORRUPT");
    decoder.close();
    decoder.close();
  });

  test("more bytes than the descriptor says are refused at once", () => {
    const decoder = decoderOf(tar);
    decoder.push(tar);
    expect(outcomeOf(() => decoder.push(Buffer.from("x")))).toBe("ERR_SIZE_MISMATCH");
    decoder.close();
  });

  test("what the digest has no say in is thrown at once", () => {
    const full = new ImportError("ERR_DISK_FULL", "no space left");
    const decoder = decoderOf(tar, {
      ...discard,
      write: () => {
        throw full;
      },
    });
    expect(() => decoder.push(tar)).toThrow(full);
    expect(() => decoder.finish()).toThrow(full);
    decoder.close();
  });

  test("a message names the layer, and the details count it from 1", () => {
    const decoder = decoderOf(tar.subarray(0, 700));
    decoder.push(tar.subarray(0, 700));
    let error: unknown;
    try {
      decoder.finish();
    } catch (caught) {
      error = caught;
    }
    decoder.close();
    expect(error).toMatchObject({
      code: "ERR_LAYER_TRUNCATED",
      message: "layer 3 of 4 of ghcr.io/org/app:1.2: the archive ends inside a header",
      details: { layer: 3, offsetBytes: 700 },
      hint: "The image was cut when it was made; ask its publisher to rebuild it.",
    });
  });

  test("a decoder that is closed half way frees what it has and decodes no more", () => {
    const decoder = decoderOf(blobs.gzip);
    decoder.push(blobs.gzip.subarray(0, 50));
    decoder.close();
    decoder.push(blobs.gzip.subarray(50));
    expect(decoder.entries).toBe(0);
  });
});

describe("limits", () => {
  test("a declared size counts against the layer's at once", () => {
    const declared = archive([{ path: "a", type: "file", raw: { size: { base256: 2 ** 38 } } }]);
    expect(outcomeOf(() => decodeLayer(declared, declared))).toBe("ERR_LIMIT_EXCEEDED");
    expect(outcomeOf(() => decodeLayer(tar, tar, { limits: { layerBytes: 50_000 } }))).toBe(
      "ERR_LIMIT_EXCEEDED",
    );
  });

  test("bytes behind the end count against the layer's limit too", () => {
    const padded = Buffer.concat([archive([]), Buffer.alloc(100_000)]);
    const limits = { layerBytes: 50_000 };
    expect(outcomeOf(() => decodeLayer(padded, gzipSync(padded), { limits }))).toBe(
      "ERR_LIMIT_EXCEEDED",
    );
  });

  test("one file is limited by its own limit", () => {
    expect(outcomeOf(() => decodeLayer(tar, tar, { limits: { fileBytes: 200_000 } }))).toBe(
      "ERR_LIMIT_EXCEEDED",
    );
  });

  test("a bomb ends after the first GiB of output", () => {
    // One block of zstd is 128 KiB of one byte in four bytes: 1.5 GiB in 48 KiB.
    const block = Buffer.concat([Buffer.from([0x02, 0x00, 0x10]), Buffer.alloc(1)]);
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (17 - 10) << 3]);
    const bomb = Buffer.concat([head, ...Array.from({ length: 12_288 }, () => block)]);
    const decoder = decoderOf(bomb);
    expect(outcomeOf(() => decoder.push(bomb))).toBe("ERR_LIMIT_EXCEEDED");
    expect(decoder.decodedBytes).toBeGreaterThan(2 ** 30);
    expect(decoder.decodedBytes).toBeLessThan(2 ** 30 + 2 ** 21);
    decoder.close();
  });
});

test("any damaged byte of any layer gives the entries or an error with a code of layers", () => {
  const codes = [
    "ok",
    "ERR_LAYER_CORRUPT",
    "ERR_LAYER_TRUNCATED",
    "ERR_PATH_ESCAPE",
    "ERR_NAME_TOO_LONG",
    "ERR_LINK_TARGET_MISSING",
    "ERR_LIMIT_EXCEEDED",
    "ERR_DIFF_ID_MISMATCH",
  ];
  const kind = fc.constantFrom(...Object.values(blobs));
  fc.assert(
    fc.property(kind, fc.nat(), fc.integer({ min: 1, max: 255 }), (blob, place, flip) => {
      const damaged = Buffer.from(blob);
      const at = place % damaged.length;
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      expect(codes).toContain(outcomeOf(() => decodeLayer(tar, damaged)));
    }),
    { numRuns: 300 },
  );
});

test("any header with a right checksum gives entries or an error with a code of layers", () => {
  const fieldAt = fc.oneof(fc.integer({ min: 0, max: 147 }), fc.integer({ min: 156, max: 511 }));
  const change = fc.tuple(fieldAt, fc.uint8Array({ minLength: 1, maxLength: 12 }));
  const type = fc.constantFrom("0", "\0", "1", "2", "3", "5", "S", "x", "g", "L", "K", "7");
  const format = fc.constantFrom("ustar", "gnu", "v7", "star");
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), type, format, (changes, typeflag, kind) => {
      const at = Object.fromEntries(
        changes
          .map(([place, bytes]) => [place, Buffer.from(bytes.subarray(0, 512 - place))] as const)
          .filter(([place, bytes]) => place > 155 || place + bytes.length <= 148)
          .map(([place, bytes]) => [String(place), { hex: bytes.toString("hex") }]),
      );
      const header = { path: "a/b", type: typeflag, linkname: "c", format: kind, raw: { at } };
      const body = { ...header, size: 1024, fill: "1\n" };
      const hostile = archive([body, { path: "next", type: "file", content: "1" }]);
      expect(outcomeOf(() => decodeLayer(hostile, hostile))).toMatch(
        /^(ok|ERR_L|ERR_PATH|ERR_NAME)/,
      );
    }),
    { numRuns: 500 },
  );
});
