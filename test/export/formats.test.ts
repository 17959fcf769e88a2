import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  exportSandboxImage,
  importSandboxImage,
  verifySandboxImage,
  type ImageFormat,
} from "../../src/index.ts";
import { tarPieces } from "../../src/sink/tar/tar-pieces.ts";
import { flipByte } from "../support/damaged-image.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { joinPieces, memoryReader } from "../support/memory-reader.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { assortedEntries } from "../support/sink-contract.ts";
import type { TestLayer } from "../support/test-registry/test-image.ts";

const FORMATS: readonly ImageFormat[] = ["dir", "ext4", "erofs", "tar"];

/** An archive of ours is a layer like any other. */
function layerOf(archive: Buffer): TestLayer {
  return {
    bytes: archive,
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    diffId: `sha256:${createHash("sha256").update(archive).digest("hex")}`,
  };
}

interface Imported {
  readonly home: string;
  /** The snapshot of each format. */
  readonly path: (format: ImageFormat) => string;
}

/** The layers as an image, in these formats, each under the name of its format. */
async function importAs(
  formats: readonly ImageFormat[],
  layers: readonly TestLayer[],
): Promise<Imported> {
  const place = scratchDirectory();
  const home = join(place, "home");
  writeOciLayout(join(place, "app"), "1", { layers: [...layers] });
  const paths = new Map<ImageFormat, string>();
  for (const format of formats) {
    const reference = `oci:${join(place, "app")}:1`;
    const options = { home, format, registeredName: format, diskMb: 64, fsync: false };
    paths.set(format, (await importSandboxImage(reference, options)).path);
  }
  return { home, path: (format) => paths.get(format) ?? "" };
}

async function exported(home: string, name: string): Promise<Buffer> {
  const output = join(scratchDirectory(), "out.tar");
  await exportSandboxImage(name, { home, output, fsync: false });
  return readFileSync(output);
}

test("an import as an archive and the exports of all formats are one file", async () => {
  const base = layerOf(joinPieces(tarPieces(memoryReader(assortedEntries()), () => undefined)));
  const upper = await makeLayer([
    fileEntry("usr/.wh.large", ""),
    fileEntry("usr/bin/tool", "another tool\n"),
    fileEntry("new/file", "x"),
  ]);
  const { home, path } = await importAs(FORMATS, [base, upper]);
  const archive = readFileSync(path("tar"));
  expect(archive.includes("usr/large")).toBe(false);
  for (const format of FORMATS) {
    expect((await exported(home, format)).equals(archive)).toBe(true);
  }
});

test("an exported archive is a layer that is imported as the same archive", async () => {
  const archive = joinPieces(tarPieces(memoryReader(assortedEntries()), () => undefined));
  const { home, path } = await importAs(["tar"], [layerOf(archive)]);
  expect(readFileSync(path("tar")).equals(archive)).toBe(true);

  const output = join(scratchDirectory(), "rootfs");
  const options = { home, output, format: "dir", sameOwner: false, fsync: false } as const;
  const { omissions } = await exportSandboxImage("tar", options);
  expect(omissions).toContain("dev/null: device 1:3 left out (its owner is not exact)");
  expect(omissions).toContain("usr: owner 1234:5678 not set");
});

test("verify finds a flipped byte of an archive", async () => {
  const layer = await makeLayer([fileEntry("large", Buffer.alloc(3 << 20, "large"))]);
  const { home, path } = await importAs(["tar"], [layer]);
  expect(await verifySandboxImage("tar", { home })).toMatchObject({ sound: true, format: "tar" });
  const { size } = statSync(path("tar"));
  for (const position of [0, 700, 1 << 20, (3 << 20) - 5]) {
    expect(position).toBeLessThan(size);
    const undo = flipByte(path("tar"), position);
    expect(await verifySandboxImage("tar", { home })).toMatchObject({ sound: false });
    undo();
  }
  expect(await verifySandboxImage("tar", { home })).toMatchObject({ sound: true });
});
