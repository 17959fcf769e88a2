import { createCipheriv, hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { importSandboxImage, type ImportEvent, type SandboxTemplate } from "../src/index.ts";
import { checkImage } from "./support/ext4-check.ts";
import { importErrorFrom } from "./support/import-error.ts";
import { withMounted } from "./support/loop-mount.ts";
import { fileEntry, makeLayer } from "./support/make-layer.ts";
import { writeOciLayout } from "./support/oci-layout.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { storeListing } from "./support/store-listing.ts";

const MIB = 2 ** 20;
const NOISE = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(6 * MIB),
);
/** Unpacks to two hundred times its size, and is no hole. */
const TEXT = Buffer.alloc(20 * MIB, "All work and no play makes Jack a dull boy.\n");

interface Import {
  readonly home: string;
  readonly events: ImportEvent[];
  readonly record: Promise<SandboxTemplate>;
}

async function importOf(contents: readonly Buffer[], diskMb: number): Promise<Import> {
  const directory = scratchDirectory();
  const layers = contents.map((bytes, layer) => makeLayer([fileEntry(`${layer}`, bytes)]));
  writeOciLayout(join(directory, "app"), "1", { layers: await Promise.all(layers) });
  const home = join(directory, "home");
  const events: ImportEvent[] = [];
  const onEvent = (event: ImportEvent): void => {
    events.push(event);
  };
  const record = importSandboxImage(`oci:${join(directory, "app")}:1`, { home, diskMb, onEvent });
  record.catch(() => undefined);
  return { home, events, record };
}

function warningsOf({ events }: Import): readonly string[] {
  return events.flatMap((event) => (event.type === "warning" ? [event.code] : []));
}

async function expectFiles(imagePath: string, contents: readonly Buffer[]): Promise<void> {
  await checkImage(imagePath);
  await withMounted(imagePath, "read-only", (rootPath) => {
    for (const [layer, bytes] of contents.entries()) {
      expect(readFileSync(join(rootPath, `${layer}`)).equals(bytes)).toBe(true);
    }
  });
}

test("a layer that outgrows its share of the disk is no failure: the layers are placed again", async () => {
  const contents = [TEXT, NOISE.subarray(0, MIB)];
  const importing = await importOf(contents, 64);
  const { path } = await importing.record;
  expect(warningsOf(importing)).toEqual(["placed_again"]);
  await expectFiles(path, contents);
});

test("layers side by side need no second attempt where there is room", async () => {
  const contents = [TEXT, NOISE.subarray(0, MIB)];
  const importing = await importOf(contents, 1024);
  const { path } = await importing.record;
  expect(warningsOf(importing)).toEqual([]);
  await expectFiles(path, contents);
});

test("a disk that cannot hold the layers is told of at once, and its size at the end", async () => {
  const contents = [NOISE, TEXT, NOISE.subarray(0, MIB)];
  const importing = await importOf(contents, 20);
  const error = await importErrorFrom(importing.record);
  expect(error.code).toBe("ERR_DISK_TOO_SMALL");
  expect(warningsOf(importing)).toEqual(["disk_too_small"]);
  const told = importing.events.findIndex(({ type }) => type === "warning");
  const lastLayer = importing.events.findLastIndex(({ type }) => type === "layer_progress");
  expect(told).toBeLessThan(lastLayer);
  expect(storeListing(importing.home)).toEqual({ snapshots: [], ingests: [], other: [] });
  const again = await importOf(contents, Number(error.details["neededMib"]));
  await expectFiles((await again.record).path, contents);
});

test("a large layer is decompressed beside the rest of its work, and the image is the same", async () => {
  const directory = scratchDirectory();
  const large = Buffer.concat([NOISE, NOISE, NOISE]);
  const layers = [
    await makeLayer([fileEntry("large", large), fileEntry("b", TEXT)]),
    await makeLayer([fileEntry("small", "small")]),
  ];
  writeOciLayout(join(directory, "app"), "1", { layers });
  const digests: string[] = [];
  for (const cpus of [1, 2]) {
    const home = join(directory, `home-${cpus}`);
    const reference = `oci:${join(directory, "app")}:1`;
    const options = { home, diskMb: 256, cpus, fsync: false };
    const { path } = await importSandboxImage(reference, options);
    digests.push(hash("sha256", readFileSync(path)));
  }
  expect(digests[1]).toBe(digests[0]);
});
