import { mutateBytes } from "../mutate-bytes.ts";
import type { Random } from "../random.ts";
import type { ImageMap, Structure } from "./image-kind.ts";

/** What is written over an image. */
export interface ImageWrite {
  readonly position: number;
  readonly bytes: Buffer;
}

/** A mutated image as an input: which of the images, whether its checksums are corrected, and what is written over it. */
export interface ImageMutation {
  readonly image: number;
  readonly fixed: boolean;
  readonly writes: readonly ImageWrite[];
}

const HEAD_BYTES = 2;
const WRITE_HEAD_BYTES = 6;
const MOST_WRITES = 16;
const MOST_WRITTEN = 64;

export function encodeMutation({ image, fixed, writes }: ImageMutation): Buffer {
  const parts = writes.slice(-MOST_WRITES).flatMap(({ position, bytes }) => {
    const head = Buffer.alloc(WRITE_HEAD_BYTES);
    head.writeUInt32LE(position);
    head.writeUInt16LE(bytes.length, 4);
    return [head, bytes];
  });
  return Buffer.concat([Buffer.of(image, fixed ? 1 : 0), ...parts]);
}

/** Any bytes are a mutation. */
export function decodeMutation(input: Uint8Array): ImageMutation {
  const bytes = Buffer.from(input);
  const writes: ImageWrite[] = [];
  for (let at = HEAD_BYTES; at + WRITE_HEAD_BYTES <= bytes.length;) {
    const start = at + WRITE_HEAD_BYTES;
    const end = start + bytes.readUInt16LE(at + 4);
    writes.push({ position: bytes.readUInt32LE(at), bytes: bytes.subarray(start, end) });
    at = end;
  }
  return { image: bytes[0] ?? 0, fixed: bytes[1] === 1, writes };
}

/** One to a few more writes, into structures of any kind alike: inodes are many, the superblock is one. */
export function mutateWrites(
  mutation: ImageMutation,
  random: Random,
  { map, pristine }: { readonly map: ImageMap; readonly pristine: Buffer },
): ImageMutation {
  const writes = [...mutation.writes];
  for (let left = 1 + random.skewedBelow(4); left > 0; left--) {
    if (writes.length > 0 && random.oneIn(6)) writes.splice(random.below(writes.length), 1);
    else writes.push(newWrite(random, map, pristine));
  }
  const fixed = random.oneIn(8) ? !mutation.fixed : mutation.fixed;
  return { ...mutation, fixed, writes };
}

function newWrite(random: Random, map: ImageMap, pristine: Buffer): ImageWrite {
  const kinds = [...new Set(map.structures.map(({ kind }) => kind))];
  const kind = random.pick(kinds);
  const structure = random.pick(map.structures.filter((one) => one.kind === kind));
  const position = structure.start + offsetIn(structure, random, pristine);
  return { position, bytes: valueFor(random, { map, pristine, position }) };
}

/** Mostly where something stands, and at the start, where headers are. */
function offsetIn({ start, length }: Structure, random: Random, pristine: Buffer): number {
  if (random.oneIn(4)) return random.below(Math.min(length, 64));
  for (let attempt = 0; attempt < 20; attempt++) {
    const offset = random.below(length);
    if (pristine[start + offset] !== 0) return random.oneIn(2) ? offset : offset & ~3;
  }
  return random.below(length) & ~3;
}

function valueFor(
  random: Random,
  {
    map,
    pristine,
    position,
  }: { readonly map: ImageMap; readonly pristine: Buffer; readonly position: number },
): Buffer {
  const other = random.pick(map.structures);
  switch (random.below(6)) {
    case 0: {
      // The block of another structure, or the number of another inode.
      const block = Buffer.alloc(4);
      block.writeUInt32LE(random.oneIn(2) ? other.owner : Math.floor(other.start / map.blockSize));
      return block;
    }
    case 1: {
      // A piece of another structure.
      const from = other.start + (random.below(other.length) & ~3);
      return Buffer.from(pristine.subarray(from, from + 4 * (1 + random.below(MOST_WRITTEN / 4))));
    }
    case 2:
      return Buffer.alloc(1 + random.below(MOST_WRITTEN), random.pick([0, 0xff]));
    default: {
      const length = random.pick([1, 2, 4, 4, 8, 12]);
      const before = pristine.subarray(position, position + length);
      return mutateBytes(before, random, { changes: 2, mostBytes: length });
    }
  }
}
