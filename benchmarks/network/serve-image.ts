import { readFileSync } from "node:fs";
import { startTestRegistry } from "../../test/support/test-registry/test-registry.ts";
import type { ServeRequest, ServerAnswer } from "./image-server.ts";

/** A process of its own, so that it shares no event loop with what is measured; told what to do by its parent. */
process.once("message", (request: ServeRequest) => {
  void serve(request);
});

async function serve({ image, line }: ServeRequest): Promise<void> {
  const registry = await startTestRegistry({
    directory: image.blobsPath,
    bytesPerSecond: line.bytesPerSecond,
    delayMs: line.roundTripMs,
    connectDelayMs: line.roundTripMs,
  });
  registry.addManifest("bench/image", "1", readFileSync(image.manifestPath), image.mediaType);
  process.on("message", () => {
    const blobs = registry.requests.filter(({ path }) => path.includes("/blobs/"));
    const ranges = blobs.filter(({ range }) => range !== undefined).length;
    say({ kind: "counts", requests: registry.requests.length, ranges });
  });
  process.once("disconnect", () => void registry.close());
  say({ kind: "ready", host: registry.host });
}

function say(answer: ServerAnswer): void {
  process.send?.(answer);
}
