import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../support/make-layer.ts";
import { runTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { storeListing } from "../support/store-listing.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../support/test-registry/test-registry.ts";

let registry: TestRegistry;
let image: TestImage;
let manifestDigest: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  image = {
    layers: [
      await makeLayer([
        directoryEntry("usr"),
        directoryEntry("usr/lib"),
        symlinkEntry("lib", "usr/lib"),
        fileEntry("usr/lib/os-release", "NAME=test\n"),
        fileEntry("usr/lib/old", "old\n"),
      ]),
      await makeLayer(
        [fileEntry("lib/.wh.old", ""), fileEntry("lib/new", "new\n", 0o4755)],
        "zstd",
      ),
    ],
    config: {
      Env: ["PATH=/usr/bin"],
      Entrypoint: ["/bin/app"],
      Cmd: ["--serve"],
      WorkingDir: "/srv",
      User: "1000:1000",
      Labels: { maintainer: "somebody" },
    },
  };
  manifestDigest = await registry.addImage("team/web", "1.0", image);
});
afterAll(() => registry.close());

function blobRequests(): number {
  return registry.requests.filter(({ path }) => path.includes("/blobs/")).length;
}

test("an imported image is registered under the derived name, with its root filesystem in the store", async () => {
  const home = scratchDirectory();
  const imported = await runTl(["import", `${registry.host}/team/web:1.0`, "--format", "dir"], {
    home,
  });
  expect(imported).toMatchObject({ exitCode: 0, stdout: "" });
  const lines = imported.stderr.split("\n");
  expect(lines[0]).toContain(`Importing registry image ${registry.host}/team/web:1.0...`);
  expect(lines[1]).toContain("Selected image name: web");
  expect(imported.stderr).toContain("Completing image registration...");
  expect(imported.stderr).toMatch(/Image 'web' registered \(sandbox_template_[a-z0-9]+\)/);

  const described = await runTl(["describe", "web", "--json"], { home });
  const record: Record<string, unknown> = JSON.parse(described.stdout);
  expect(record).toMatchObject({
    name: "web",
    manifestDigest,
    platform: "linux/amd64",
    reference: `${registry.host}/team/web:1.0`,
    format: "dir",
    public: false,
    rootfsDiskBytes: 10_240 * 2 ** 20,
    config: {
      env: ["PATH=/usr/bin"],
      entrypoint: ["/bin/app"],
      cmd: ["--serve"],
      workingDir: "/srv",
      user: "1000:1000",
      labels: { maintainer: "somebody" },
    },
  });
  const rootfs = String(record["path"]);
  expect(rootfs.startsWith(home)).toBe(true);
  expect(readFileSync(join(rootfs, "usr/lib/new"), "utf8")).toBe("new\n");
  expect(existsSync(join(rootfs, "usr/lib/old"))).toBe(false);

  const listed = await runTl(["ls"], { home });
  expect(listed.stdout).toContain("web");
  expect(listed.stdout).toContain("1 image\n");

  const removed = await runTl(["rm", "web"], { home });
  expect(removed.stdout).toBe("Deleted image 'web'.\n");
  expect(existsSync(rootfs)).toBe(false);
  expect((await runTl(["ls"], { home })).stdout).toBe("No images found.\n");
  expect(storeListing(home)).toEqual({ snapshots: [], ingests: [], other: [] });
});

test("--output puts the root filesystem there and registers it from there", async () => {
  const home = scratchDirectory();
  const output = join(scratchDirectory(), "rootfs");
  const run = await runTl(
    [
      "import",
      `${registry.host}/team/web@${manifestDigest}`,
      "--format",
      "dir",
      "--output",
      output,
      "--json",
    ],
    { home },
  );
  expect(run.exitCode).toBe(0);
  const record: Record<string, unknown> = JSON.parse(run.stdout);
  expect(record).toMatchObject({ name: "web", path: output });
  expect(readFileSync(join(output, "usr/lib/os-release"), "utf8")).toBe("NAME=test\n");
});

test("an --output that holds something is refused, and keeps what it holds", async () => {
  const home = scratchDirectory();
  const output = join(scratchDirectory(), "rootfs");
  mkdirSync(output);
  writeFileSync(join(output, "precious"), "data");
  const before = blobRequests();
  const run = await runTl(
    ["import", `${registry.host}/team/web:1.0`, "--format", "dir", "--output", output],
    {
      home,
    },
  );
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain("ERR_OUTPUT_EXISTS");
  expect(readFileSync(join(output, "precious"), "utf8")).toBe("data");
  expect(blobRequests()).toBe(before);
  expect(storeListing(home)).toMatchObject({ snapshots: [], ingests: [] });
});

test("a name that is taken is refused before anything is pulled, and --replace takes it over", async () => {
  const home = scratchDirectory();
  const reference = `${registry.host}/team/web:1.0`;
  expect((await runTl(["import", reference], { home })).exitCode).toBe(0);
  const [first] = storeListing(home).snapshots;
  const before = registry.requests.length;
  const refused = await runTl(["import", reference], { home });
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("ERR_NAME_TAKEN");
  expect(refused.stderr).toContain("--replace");
  expect(registry.requests.length).toBe(before);

  expect((await runTl(["import", reference, "--replace"], { home })).exitCode).toBe(0);
  const { snapshots } = storeListing(home);
  expect(snapshots).toHaveLength(1);
  expect(snapshots).not.toContain(first);
});

test("--dry-run resolves and checks the name, and pulls no layer", async () => {
  const home = scratchDirectory();
  const before = blobRequests();
  const run = await runTl(["import", `${registry.host}/team/web:1.0`, "--dry-run", "--json"], {
    home,
  });
  expect(run.exitCode).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({
    dryRun: true,
    name: "web",
    manifestDigest,
    platform: "linux/amd64",
  });
  // The config is a blob too; the layers are not asked for.
  expect(blobRequests() - before).toBeLessThanOrEqual(1);
  expect(storeListing(home)).toMatchObject({ snapshots: [], ingests: [] });
});

test("a layer that stands twice in an image is applied at both places", async () => {
  const [base, change] = image.layers;
  if (base === undefined || change === undefined) throw new Error("the image has two layers");
  await registry.addImage("team/twice", "1", { layers: [base, change, base] });
  const home = scratchDirectory();
  const output = join(scratchDirectory(), "rootfs");
  const run = await runTl(
    ["import", `${registry.host}/team/twice:1`, "--format", "dir", "--output", output],
    {
      home,
    },
  );
  expect(run.exitCode).toBe(0);
  expect(readFileSync(join(output, "usr/lib/old"), "utf8")).toBe("old\n");
  expect(readFileSync(join(output, "usr/lib/new"), "utf8")).toBe("new\n");
});

test("an image without layers that place bodies, or of one empty layer many times, is fetched once", async () => {
  const empty = await makeLayer([directoryEntry("etc")]);
  await registry.addImage("team/empty", "1", { layers: [empty, empty, empty] });
  const home = scratchDirectory();
  const before = blobRequests();
  const run = await runTl(["import", `${registry.host}/team/empty:1`], { home });
  expect(run.exitCode).toBe(0);
  expect(blobRequests() - before).toBe(2);
});

test("a platform that the index lacks is refused with the list of those it has", async () => {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: ["s390x", "riscv64"].map((architecture) => ({
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: manifestDigest,
        size: 500,
        platform: { os: "linux", architecture },
      })),
    }),
  );
  registry.addManifest("team/odd", "1", bytes, "application/vnd.oci.image.index.v1+json");
  const home = scratchDirectory();
  const run = await runTl(["import", `${registry.host}/team/odd:1`, "--platform", "linux/amd64"], {
    home,
  });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain("ERR_PLATFORM_NOT_FOUND");
  expect(run.stderr).toContain("linux/riscv64");
  expect(run.stderr).toContain("linux/s390x");
});

test("an image registered again under another name shares its snapshot until the last name is gone", async () => {
  const home = scratchDirectory();
  await runTl(["import", `${registry.host}/team/web:1.0`], { home });
  const [snapshot = ""] = storeListing(home).snapshots;
  const dockerfile = join(home, "Dockerfile");
  writeFileSync(dockerfile, "FROM web\n");
  const registered = await runTl(["register", "other", snapshot, "--dockerfile", dockerfile], {
    home,
  });
  expect(registered).toMatchObject({ exitCode: 0 });
  expect(registered.stdout).toContain(`Registered image 'other' -> snapshot ${snapshot}`);
  expect((await runTl(["rm", "web"], { home })).exitCode).toBe(0);
  expect(storeListing(home).snapshots).toEqual([snapshot]);
  expect((await runTl(["describe", "other"], { home })).stdout).toContain("FROM web");
  expect((await runTl(["rm", "other"], { home })).exitCode).toBe(0);
  expect(storeListing(home).snapshots).toEqual([]);
});
