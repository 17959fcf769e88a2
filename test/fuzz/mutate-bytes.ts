import type { Random } from "./random.ts";

const EDGES = [0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000] as const;
const WIDE_EDGES = [0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff] as const;

export interface ByteMutation {
  /** What the format is made of: put in, and over what is there. */
  readonly words?: readonly Uint8Array[];
  /** Another input, to take parts from. */
  readonly donor?: Uint8Array;
  readonly mostBytes?: number;
  /** At most so many changes. Default 6. */
  readonly changes?: number;
}

/** A copy with a few changes: bits, bytes, numbers, and parts removed, repeated, moved or taken from elsewhere. */
export function mutateBytes(input: Uint8Array, random: Random, options: ByteMutation = {}): Buffer {
  const { mostBytes = 65_536, changes = 6 } = options;
  let bytes: Buffer = Buffer.from(input);
  for (let left = 1 + random.skewedBelow(changes); left > 0; left--) {
    bytes = changeOnce(bytes, random, options);
  }
  return bytes.subarray(0, mostBytes);
}

function changeOnce(bytes: Buffer, random: Random, options: ByteMutation): Buffer {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.skewedBelow(Math.min(256, bytes.length - at));
  const { words = [], donor } = options;
  switch (random.below(12)) {
    case 0:
    case 1:
      return overwritten(bytes, at, Buffer.of((bytes[at] ?? 0) ^ (1 << random.below(8))));
    case 2:
      return overwritten(bytes, at, random.bytes(1));
    case 3:
      return overwritten(bytes, at, edgeNumber(random));
    case 4:
      return overwritten(bytes, at, Buffer.of((bytes[at] ?? 0) + random.below(33) - 16));
    case 5:
      return spliced(bytes, at, length, Buffer.alloc(0));
    case 6:
      return spliced(bytes, random.below(bytes.length + 1), 0, bytes.subarray(at, at + length));
    case 7:
      return spliced(bytes, at, 0, Buffer.alloc(length, random.pick([0, 0xff, 0x20, 0x41])));
    case 8:
      return random.oneIn(4) ? bytes.subarray(0, at) : overwritten(bytes, at, random.bytes(length));
    case 9:
    case 10: {
      if (words.length === 0) return overwritten(bytes, at, edgeNumber(random));
      const word = Buffer.from(random.pick(words));
      return random.oneIn(2) ? overwritten(bytes, at, word) : spliced(bytes, at, 0, word);
    }
    default: {
      if (donor === undefined || donor.length === 0) return digitChanged(bytes, random);
      const from = random.below(donor.length);
      const part = Buffer.from(donor.subarray(from, from + 1 + random.below(donor.length - from)));
      return random.oneIn(2) ? overwritten(bytes, at, part) : spliced(bytes, at, 0, part);
    }
  }
}

/** Numbers at which counters, signs and buffers break, in the widths and orders that formats use. */
function edgeNumber(random: Random): Buffer {
  const width = random.pick([1, 2, 4, 8]);
  const bytes = Buffer.alloc(8);
  const low = random.oneIn(2) ? random.pick(EDGES) : random.pick(WIDE_EDGES);
  bytes.writeUInt32LE(low);
  if (random.oneIn(3)) bytes.writeUInt32LE(random.pick(WIDE_EDGES), 4);
  const cut = Buffer.from(bytes.subarray(0, width));
  return random.oneIn(3) ? Buffer.from(cut.toReversed()) : cut;
}

function digitChanged(bytes: Buffer, random: Random): Buffer {
  const digits = [...bytes.keys()].filter(
    (at) => (bytes[at] ?? 0) >= 0x30 && (bytes[at] ?? 0) < 0x3a,
  );
  if (digits.length === 0) return bytes;
  return overwritten(bytes, random.pick(digits), Buffer.of(0x30 + random.below(10)));
}

/** Never longer than it was: what sticks out is left out. */
export function overwritten(bytes: Buffer, at: number, part: Uint8Array): Buffer {
  Buffer.from(part).copy(bytes, Math.min(at, bytes.length));
  return bytes;
}

export function spliced(bytes: Buffer, at: number, removed: number, part: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + removed)]);
}
