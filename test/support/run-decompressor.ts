import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { createLayerFault } from "../../src/layer/fault.ts";
import type { Decompressor, DecompressorOptions } from "../../src/layer/decompressor.ts";
import type { Limits } from "../../src/limits.ts";

export type CreateDecompressor = (options: DecompressorOptions) => Decompressor;

/** What comes out of `bytes` pushed in pieces of `step` bytes. */
export function runDecompressor(
  create: CreateDecompressor,
  bytes: Uint8Array,
  options: { readonly step?: number; readonly limits?: Partial<Limits> } = {},
): Buffer {
  const parts: Buffer[] = [];
  const stream = create({
    fault: createLayerFault("layer 1 of 1 of test", 0),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    output: (piece) => parts.push(Buffer.from(piece)),
  });
  const step = options.step ?? Math.max(1, bytes.length);
  try {
    for (let at = 0; at < bytes.length; at += step) {
      const lent = Buffer.from(bytes.subarray(at, at + step));
      stream.write(lent);
      lent.fill(0xaa);
    }
    stream.end();
    return Buffer.concat(parts);
  } finally {
    stream.close();
    stream.close();
  }
}
