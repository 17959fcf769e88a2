import { crc32 } from "node:zlib";
import type { ImageChecksums } from "../../src/sink/sink.ts";

/** What is wrong with the checksums of an image: each range once, ascending, and nothing but zeros between them. */
export function checksumProblems(
  image: Buffer,
  recorded: ImageChecksums | undefined,
): readonly string[] {
  if (recorded === undefined) return ["no checksums"];
  const { blockBytes, firstBlocks, blockCounts, checksums } = recorded;
  const problems: string[] = [];
  let end = 0;
  for (const [range, first] of firstBlocks.entries()) {
    if (first < end) problems.push(`range ${range} begins at ${first}, before the last one's end`);
    if (!isZero(image.subarray(end * blockBytes, first * blockBytes))) {
      problems.push(`what lies before block ${first} has no checksum`);
    }
    end = first + (blockCounts[range] ?? 0);
    if (crc32(image.subarray(first * blockBytes, end * blockBytes)) !== checksums[range]) {
      problems.push(`range ${range} has another checksum`);
    }
  }
  if (!isZero(image.subarray(end * blockBytes))) problems.push("the end has no checksum");
  return problems;
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
