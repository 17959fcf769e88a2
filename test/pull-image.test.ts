import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { importSettings } from "../src/api/import-settings.ts";
import { importImage } from "../src/import-image.ts";
import { openImageSource } from "../src/source/open-image-source.ts";
import { openStore } from "../src/store/open-store.ts";
import { importErrorFrom } from "./support/import-error.ts";
import { fileEntry, makeLayer } from "./support/make-layer.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { startedRegistry } from "./support/started-registry.ts";
import { storeListing } from "./support/store-listing.ts";

const MIB = 2 ** 20;

// In a file, and so in a process, of its own: other tests' garbage would be given back while this one measures.
test("an import that takes more memory than it may is given up, and leaves the store as it was", async () => {
  const registry = await startedRegistry();
  const layer = await makeLayer([fileEntry("a", randomBytes(6 * MIB))]);
  await registry.addImage("team/app", "1", { layers: [layer] });
  // It goes on until something ends it.
  registry.faults.add({ on: "blob", kind: "stall", afterBytes: MIB });
  const reference = `${registry.host}/team/app:1`;
  const settings = importSettings(reference, { memoryMb: 512, format: "tar" }, {});
  expect(settings.memoryBytes).toBe(512 * MIB);
  const store = await openStore({ homePath: scratchDirectory(), env: {} });
  const before = storeListing(store.homePath);
  const source = await openImageSource(reference, {
    ...settings.source,
    onRetry: () => undefined,
  });
  const importing = importImage({
    ...settings,
    // Less than the workers alone take.
    memoryBytes: MIB,
    source,
    store,
    toolVersion: "0",
    signal: new AbortController().signal,
    emit: () => undefined,
  });
  const error = await importErrorFrom(importing);
  await source.close();
  expect(error.code).toBe("ERR_LIMIT_EXCEEDED");
  expect(error.message).toMatch(/^the import takes \d+ MiB of memory, the limit is 1$/);
  expect(error.hint).toContain("a larger --memory value");
  expect(storeListing(store.homePath)).toEqual(before);
  store.close();
});
