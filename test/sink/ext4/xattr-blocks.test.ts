import { expect, test } from "vitest";
import { ImportError } from "../../../src/errors.ts";
import { BlockAllocator } from "../../../src/sink/ext4/block-allocator.ts";
import { BlockUsage } from "../../../src/sink/block-usage.ts";
import { BlockWriter } from "../../../src/sink/block-writer.ts";
import { ext4Geometry, usableRanges } from "../../../src/sink/ext4/geometry.ts";
import { XattrBlocks, type XattrBlockOutput } from "../../../src/sink/ext4/xattr-blocks.ts";

const REFERENCES_OFFSET = 4;

function full(): ImportError {
  return new ImportError("ERR_DISK_TOO_SMALL", "full");
}

/** The reference counts that are written, by block. */
interface RecordedOutput {
  readonly output: XattrBlockOutput;
  readonly references: () => ReadonlyMap<number, number>;
}

function recordedOutput(): RecordedOutput {
  const geometry = ext4Geometry(16 * 2 ** 20);
  const written = new Map<number, number>();
  const writer = new BlockWriter({
    write: (bytes, position) => {
      for (let at = 0; at < bytes.length; at += 4096) {
        const block = Buffer.from(bytes.slice(at, at + 4096));
        written.set((position + at) / 4096, block.readUInt32LE(REFERENCES_OFFSET));
      }
    },
    release: () => undefined,
  });
  const usage = new BlockUsage(geometry);
  const allocator = new BlockAllocator(usage, usableRanges(geometry), full);
  return {
    output: { writer, allocator, seed: 0 },
    references: () => {
      writer.flush();
      return written;
    },
  };
}

const block = (digest: string) => ({ bytes: new Uint8Array(4096), digest });

test("1,025 inodes with equal attributes need two blocks, each with its number of inodes", () => {
  const blocks = new XattrBlocks();
  for (let n = 0; n < 1025; n++) blocks.want(block("equal"));
  expect(blocks.blocks).toBe(2);
  const { output, references } = recordedOutput();
  const places = Array.from({ length: 1025 }, () => blocks.place(block("equal"), output));
  expect(new Set(places.slice(0, 1024)).size).toBe(1);
  expect([...references()]).toEqual([
    [places[0], 1024],
    [places[1024], 1],
  ]);
});

test("different attributes beyond those that are remembered get blocks of their own", () => {
  const blocks = new XattrBlocks();
  for (let n = 0; n < 65_536; n++) blocks.want(block(`${n}`));
  for (let n = 0; n < 2; n++) blocks.want(block("one too many"));
  blocks.want(block("7"));
  expect(blocks.blocks).toBe(65_536 + 2);
  const { output, references } = recordedOutput();
  const places = ["one too many", "one too many", "7", "7"].map((digest) =>
    blocks.place(block(digest), output),
  );
  expect(new Set(places).size).toBe(3);
  expect([...references().values()]).toEqual([1, 1, 2]);
});
