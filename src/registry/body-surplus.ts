import type { BodyReader } from "./content-coding.ts";

/** All bytes are there; whether one too many follows is not worth waiting for much longer (registry-cases BLOB-4). */
const END_PATIENCE_MS = 1000;

/** Whether a body goes on after all that was expected of it. One that breaks off there is none of our business. */
export async function hasSurplus(reader: BodyReader): Promise<boolean> {
  const next = reader.read(new Uint8Array(1)).catch(() => 0);
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<number>((resolve) => {
    timer = setTimeout(() => resolve(0), END_PATIENCE_MS).unref();
  });
  const more = await Promise.race([next, patience]);
  clearTimeout(timer);
  return more > 0;
}
