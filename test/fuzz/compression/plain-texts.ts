/** Fills more than one buffer of output. */
export const LONG_TEXT: Buffer = Buffer.alloc(1_200_000, "a text that is longer. ");

/** What is compressed: nothing, little, repetitions, noise. */
export function plainTexts(): readonly Buffer[] {
  const noise = Buffer.alloc(3000);
  for (let at = 0, state = 1; at < noise.length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    noise[at] = state >>> 16;
  }
  return [
    Buffer.alloc(0),
    Buffer.from("a"),
    Buffer.from("the quick brown fox jumps over the lazy dog ".repeat(20)),
    Buffer.alloc(20_000),
    noise,
    Buffer.concat([noise.subarray(0, 700), Buffer.alloc(5000, "abc"), noise.subarray(0, 900)]),
  ];
}
