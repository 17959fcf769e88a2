import fc from "fast-check";
import { expect, test } from "vitest";
import { NameHash } from "../../src/rootfs/name-hash.ts";

const rotated = (value: bigint, by: bigint): bigint =>
  ((value << by) | (value >> (32n - by))) & 0xffff_ffffn;

/** HalfSipHash-1-3 with 32 bits of output as its paper has it, over a whole message, in integers that do not wrap. */
function halfSipHash(key: readonly [number, number], message: Buffer): number {
  const mask = 0xffff_ffffn;
  const k0 = BigInt(key[0] >>> 0);
  const k1 = BigInt(key[1] >>> 0);
  let [v0, v1, v2, v3] = [k0, k1, 0x6c796765n ^ k0, 0x74656462n ^ k1];
  const round = (): void => {
    v0 = (v0 + v1) & mask;
    v1 = rotated(v1, 5n) ^ v0;
    v0 = rotated(v0, 16n);
    v2 = (v2 + v3) & mask;
    v3 = rotated(v3, 8n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = rotated(v3, 7n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = rotated(v1, 13n) ^ v2;
    v2 = rotated(v2, 16n);
  };
  const padded = Buffer.alloc((Math.floor(message.length / 4) + 1) * 4);
  message.copy(padded);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 4) {
    const word = BigInt(padded.readUInt32LE(at));
    v3 ^= word;
    round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number(v1 ^ v3);
}

const key = fc.tuple(fc.integer(), fc.integer());
const name = fc.uint8Array({ minLength: 1, maxLength: 40 });

test("the hash is HalfSipHash-1-3 of the parent and the name", () => {
  fc.assert(
    fc.property(key, fc.nat(), name, (k, parent, bytes) => {
      const message = Buffer.alloc(4 + bytes.length);
      message.writeUInt32LE(parent);
      message.set(bytes, 4);
      const expected = halfSipHash(k, message);
      const shifted = Buffer.concat([Buffer.from("xyz"), bytes, Buffer.from("q")]);
      const found = new NameHash(k[0], k[1]).of(parent, shifted, 3, 3 + bytes.length);
      expect(found).toBe(expected);
    }),
  );
});

test("names that collide under one key do not under another", () => {
  const names = Array.from({ length: 100_000 }, (_, i) => Buffer.from(`n${i}`));
  const slots = (hash: NameHash): Map<number, Buffer[]> => {
    const bySlot = new Map<number, Buffer[]>();
    for (const bytes of names) {
      const slot = hash.of(7, bytes, 0, bytes.length) & 0xff;
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), bytes]);
    }
    return bySlot;
  };
  const colliding = (slots(new NameHash(1, 2)).get(0) ?? []).slice(0, 200);
  const other = new NameHash(1, 3);
  const places = new Set(colliding.map((bytes) => other.of(7, bytes, 0, bytes.length) & 0xff));
  expect(colliding).toHaveLength(200);
  expect(places.size).toBeGreaterThan(100);
});
