const SECOND = 1_000_000_000n;
/** Whole seconds that make every time positive. */
const ERA = 2n ** 32n * SECOND;

/**
 * What `mke2fs -d` 1.47.0 keeps of a time, in seconds: it drops nanoseconds, and a time from 2038 on comes out wrong (it leaves
 * out the epoch bits).
 */
export function mke2fsSeconds(mtimeNs: bigint): bigint {
  const fraction = BigInt.asUintN(64, mtimeNs + ERA) % SECOND;
  return BigInt.asIntN(32, (mtimeNs - fraction) / SECOND);
}
