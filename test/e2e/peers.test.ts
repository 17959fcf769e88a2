import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDebianRegistry, type DebianRegistry } from "../support/debian-registry.ts";
import { demandingImage } from "../support/demanding-image.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { pushLayout, writeOciLayout } from "../support/oci-layout.ts";
import { rootRows } from "../support/root-rows.ts";
import { runTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";

let registry: DebianRegistry;

beforeAll(async () => {
  registry = await startDebianRegistry();
});
afterAll(() => registry.close());

test("an image from Debian's docker-registry makes the same tree as umoci makes of it", async () => {
  const work = scratchDirectory();
  const layout = join(work, "layout");
  writeOciLayout(layout, "t", await demandingImage("gzip"));
  const reference = `${registry.host}/peers/demanding:1`;
  await pushLayout(layout, reference);
  execFileSync("umoci", ["raw", "unpack", "--image", `${layout}:t`, join(work, "theirs")], {
    stdio: "ignore",
  });
  const run = await runTl(
    ["import", reference, "--format", "dir", "--output", join(work, "ours")],
    {
      home: join(work, "home"),
    },
  );
  expect(run).toMatchObject({ exitCode: 0 });
  const ours = rootRows(join(work, "ours"));
  expect(ours.length).toBeGreaterThan(2800);
  expect(ours).toEqual(rootRows(join(work, "theirs")));
});

test("the same image with zstd layers makes the same tree as with gzip layers", async () => {
  const work = scratchDirectory();
  const trees: (readonly string[])[] = [];
  for (const compression of ["gzip", "zstd"] as const) {
    const layout = join(work, `layout-${compression}`);
    writeOciLayout(layout, "t", await demandingImage(compression));
    const reference = `${registry.host}/peers/${compression}:1`;
    await pushLayout(layout, reference);
    const output = join(work, compression);
    const run = await runTl(["import", reference, "--format", "dir", "--output", output], {
      home: join(work, "home"),
    });
    expect(run).toMatchObject({ exitCode: 0 });
    trees.push(rootRows(output));
  }
  expect(trees[0]).toEqual(trees[1]);
});

test("a multi-platform image that skopeo pushed gives the platform that was asked for", async () => {
  const work = scratchDirectory();
  const layout = join(work, "layout");
  writeOciLayout(layout, "t", {
    layers: [await makeLayer([fileEntry("etc/arch", "arm64\n")])],
    platform: { os: "linux", architecture: "arm64" },
  });
  const reference = `${registry.host}/peers/arm:1`;
  await pushLayout(layout, reference);
  const home = join(work, "home");
  const wrong = await runTl(["import", reference, "--platform", "linux/s390x"], { home });
  expect(wrong).toMatchObject({ exitCode: 1 });
  expect(wrong.stderr).toContain("ERR_PLATFORM_NOT_FOUND");
  const right = await runTl(["import", reference, "--platform", "linux/arm64", "--json"], { home });
  expect(JSON.parse(right.stdout)).toMatchObject({ platform: "linux/arm64" });
});
