/** Longer than the window of gzip, so that no repetition is found in it but that of words. */
const TEXT_BYTES = 1 << 20;
const VOCABULARY = 4096;

let text: Uint8Array | undefined;

/** Text of made-up words, always the same, that gzip makes about half as long: what files of programs are like. */
function wordText(): Uint8Array {
  if (text !== undefined) return text;
  const next = numbers(1);
  const letters = "etaoinshrdlucmfwypvbgkjqxz_.(){}=";
  const words = Array.from({ length: VOCABULARY }, () =>
    Array.from({ length: 3 + (next() % 9) }, () => letters[next() % letters.length]).join(""),
  );
  let built = "";
  while (built.length < TEXT_BYTES) built += `${words[next() % VOCABULARY]} `;
  text = Buffer.from(built.slice(0, TEXT_BYTES), "latin1");
  return text;
}

/** So many bytes of text; another `seed` begins at another place. */
export function textBytes(seed: number, bytes: number): Buffer {
  const source = wordText();
  const body = Buffer.alloc(bytes);
  let from = (Math.imul(seed, 0x9e37_79b1) >>> 0) % TEXT_BYTES;
  for (let at = 0; at < bytes; from = 0) {
    const part = source.subarray(from, from + bytes - at);
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** Bytes that cannot be compressed, always the same. */
export function noiseBytes(seed: number, bytes: number): Buffer {
  const next = numbers(seed + 1);
  const body = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) body.writeUInt32LE(next(), at);
  return body;
}

/** xorshift32 (Marsaglia): the same numbers on every machine. */
function numbers(seed: number): () => number {
  let state = Math.imul(seed, 0x9e37_79b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
