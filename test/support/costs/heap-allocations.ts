import { Session } from "node:inspector/promises";
import type { HeapProfiler } from "node:inspector";

/** Bytes of the JavaScript heap that an action sets aside, garbage included; sampled, so true to a few per cent. */
export async function heapBytesOf(action: () => void): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post("HeapProfiler.startSampling", {
      samplingInterval: 1024,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    action();
    const { profile } = await session.post("HeapProfiler.stopSampling");
    return bytesBelow(profile.head);
  } finally {
    session.disconnect();
  }
}

function bytesBelow({ selfSize, children }: HeapProfiler.SamplingHeapProfileNode): number {
  return children.reduce((sum, child) => sum + bytesBelow(child), selfSize);
}
