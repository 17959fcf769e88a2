import { BLOCK_BYTES, PIECE_BLOCKS } from "./block-placement.ts";

/** What the placers of one thread collect pieces in: 1 MiB. */
export const PIECE_BUFFER_BYTES: number = PIECE_BLOCKS * BLOCK_BYTES;

/** As many as layers were ever open side by side in this thread. */
const spare: Uint8Array[] = [];

/** A thousand small layers would leave a gibibyte of buffers to the collector, which does not see how large they are. */
export function takePieceBuffer(): Uint8Array {
  return spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BUFFER_BYTES);
}

/** Once, when nobody uses it any more. */
export function givePieceBuffer(buffer: Uint8Array): void {
  spare.push(buffer);
}
