import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { importSandboxImage, planSandboxImageImport } from "../../src/index.ts";
import { digestText } from "../support/digest-text.ts";
import { archiveOf, dockerArchive, dockerParts, withBody } from "../support/image-archives.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { runSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";

/** The same layers, plain and compressed. */
let plain: TestImage;
let gzipped: TestImage;

beforeAll(async () => {
  const lower = [
    directoryEntry("usr"),
    fileEntry("usr/tool", "#!tool\n".repeat(20_000), 0o4755),
    { name: "usr/same", type: "link", linkname: "usr/tool" } as const,
    symlinkEntry("lib", "usr/lib"),
    fileEntry("etc/gone", "gone\n"),
  ];
  const upper = [fileEntry("etc/.wh.gone", ""), fileEntry("etc/motd", "hello\n")];
  const layers = [lower, upper];
  plain = { layers: await Promise.all(layers.map((entries) => makeLayer(entries, "none"))) };
  gzipped = { layers: await Promise.all(layers.map((entries) => makeLayer(entries))) };
});

/** Imports as an archive, whose bytes depend on the tree alone. */
async function treeOf(
  reference: string,
): Promise<{ readonly bytes: Buffer; readonly manifestDigest: string | undefined }> {
  const home = join(scratchDirectory(), "home");
  const record = await importSandboxImage(reference, {
    home,
    format: "tar",
    cpus: 1,
    fsync: false,
  });
  return { bytes: readFileSync(record.path), manifestDigest: record.manifestDigest };
}

function skopeoCopy(from: string, to: string): void {
  execFileSync("skopeo", ["copy", "-q", from, to], { stdio: ["ignore", "ignore", "inherit"] });
}

test("a layout, and archives of it by skopeo and as docker writes them, are one tree", async () => {
  const work = scratchDirectory();
  const layout = `oci:${join(work, "layout")}:t`;
  writeOciLayout(join(work, "layout"), "t", gzipped);
  const [oci, skopeo, docker] = ["oci", "skopeo", "docker"].map((name) => join(work, name));
  skopeoCopy(layout, `oci-archive:${oci}:t`);
  skopeoCopy(layout, `docker-archive:${skopeo}:app:t`);
  writeFileSync(String(docker), dockerArchive([dockerParts(plain, "linked")]));
  const expected = await treeOf(layout);
  expect(expected.bytes.includes("etc/motd")).toBe(true);
  expect(expected.bytes.includes("etc/gone")).toBe(false);
  const fromOci = await treeOf(`oci-archive:${oci}:t`);
  expect(fromOci.bytes.equals(expected.bytes)).toBe(true);
  expect(fromOci.manifestDigest).toBe(expected.manifestDigest);
  for (const file of [skopeo, docker]) {
    expect((await treeOf(`docker-archive:${file}`)).bytes.equals(expected.bytes)).toBe(true);
  }
});

test("the manifest of a docker archive is the one that skopeo makes of it", async () => {
  const work = scratchDirectory();
  writeOciLayout(join(work, "layout"), "t", gzipped);
  const files = ["skopeo", "docker", "docker25"].map((name) => join(work, name));
  const [skopeo = "", docker = "", docker25 = ""] = files;
  skopeoCopy(`oci:${join(work, "layout")}:t`, `docker-archive:${skopeo}:app:t`);
  writeFileSync(docker, dockerArchive([dockerParts(plain, "docker")]));
  writeFileSync(docker25, dockerArchive([dockerParts(plain, "docker 25")]));
  for (const file of files) {
    const theirs = execFileSync("skopeo", ["inspect", "--raw", `docker-archive:${file}`]);
    const home = join(work, "home");
    const ours = await planSandboxImageImport(`docker-archive:${file}`, { home });
    expect(ours.manifestDigest).toBe(digestText(theirs));
  }
});

test("a layer with a changed byte is refused, and nothing is left", async () => {
  const work = scratchDirectory();
  const parts = dockerParts(plain, "docker");
  const [layer = ""] = parts.item.Layers;
  const members = withBody(parts.members, layer, (body) =>
    Buffer.from(body.replace("#!tool", "#!evil"), "latin1"),
  );
  writeFileSync(join(work, "image.tar"), dockerArchive([{ ...parts, members }]));
  const home = join(work, "home");
  const reference = `docker-archive:${join(work, "image.tar")}`;
  const importing = importSandboxImage(reference, { home, cpus: 1, fsync: false });
  expect((await importErrorFrom(importing)).code).toBe("ERR_DIGEST_MISMATCH");
  expect(storeListing(home)).toEqual({ snapshots: [], ingests: [], other: [] });
});

test("the command says of a cut archive that it is cut, and where", async () => {
  const path = join(scratchDirectory(), "cut.tar");
  writeFileSync(
    path,
    archiveOf([{ name: "oci-layout", body: "x".repeat(5000) }]).subarray(0, 3000),
  );
  const args = ["sbx", "image", "import", `oci-archive:${path}`];
  const run = await runSource(args, { ROOTLIFT_HOME: join(scratchDirectory(), "home") });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain(
    `oci-archive:${path} cannot be read: it is cut: its 3000 bytes end inside "oci-layout" [ERR_ARCHIVE_INVALID]`,
  );
  expect(run.stderr).toContain("It was not written or copied whole: do that again.");
});
