import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDebianRegistry, type DebianRegistry } from "../support/debian-registry.ts";
import {
  directoryEntry,
  fileEntry,
  makeLayer,
  symlinkEntry,
  type LayerEntry,
} from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { rootRows } from "../support/root-rows.ts";
import { runTl } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";

let registry: DebianRegistry;

beforeAll(async () => {
  registry = await startDebianRegistry();
});
afterAll(() => registry.close());

function at(seconds: number): { readonly mtime: Date } {
  return { mtime: new Date(seconds * 1000) };
}

function xattr(name: string, value: string): { readonly pax: Record<string, string> } {
  return { pax: { [`SCHILY.xattr.${name}`]: value } };
}

/** What root filesystems are made of, in layers that change each other; nothing that the peers are known to differ on. */
async function demandingImage(compression: "gzip" | "zstd"): Promise<TestImage> {
  const many: readonly LayerEntry[] = Array.from({ length: 3000 }, (_, n) =>
    fileEntry(`srv/data/${n % 30}/file-${n}`, `contents ${n}\n`.repeat(n % 50)),
  );
  const base: readonly LayerEntry[] = [
    { ...directoryEntry("usr"), ...at(1_600_000_000) },
    directoryEntry("usr/bin"),
    directoryEntry("usr/lib"),
    symlinkEntry("bin", "usr/bin"),
    symlinkEntry("lib", "usr/lib"),
    fileEntry("usr/bin/su", "#!suid\n", 0o4755),
    { ...fileEntry("usr/bin/ping", "ping\n", 0o755), ...xattr("user.note", "kept") },
    { ...fileEntry("usr/lib/owned", "owned\n", 0o640), uid: 65_534, gid: 70_000 },
    { name: "usr/bin/sudo", type: "link", linkname: "usr/bin/su", mode: 0o4755 },
    directoryEntry("dev"),
    { name: "dev/null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    { name: "dev/sda", type: "block-device", devmajor: 8, devminor: 0, mode: 0o660, gid: 6 },
    { name: "run.fifo", type: "fifo", mode: 0o600 },
    directoryEntry("var"),
    directoryEntry("var/cache"),
    fileEntry("var/cache/old", "old\n"),
    directoryEntry("etc"),
    fileEntry("etc/motd", "hello\n"),
    { ...directoryEntry("tmp", 0o1777), ...at(1_500_000_000) },
    directoryEntry("srv"),
    directoryEntry("srv/data"),
    ...Array.from({ length: 30 }, (_, n) => directoryEntry(`srv/data/${n}`)),
    ...many,
  ];
  const change: readonly LayerEntry[] = [
    fileEntry("srv/data/.wh.3", ""),
    fileEntry("srv/data/4/.wh..wh..opq", ""),
    fileEntry("srv/data/4/new", "new\n"),
    directoryEntry("var/cache", 0o700),
    fileEntry("var/cache/.wh.old", ""),
    fileEntry("bin/through-the-link", "in usr/bin\n", 0o755),
    fileEntry("usr/lib/größe-\u{1f680}", "utf-8\n"),
    fileEntry(`usr/lib/${"long".repeat(60)}`, "a long name\n"),
    symlinkEntry("etc/mtab", "../proc/self/mounts"),
    fileEntry("large", Buffer.alloc(3_000_000, "0123456789abcdef")),
    fileEntry("empty", ""),
  ];
  return { layers: [await makeLayer(base, compression), await makeLayer(change, compression)] };
}

function pushLayout(layout: string, reference: string): void {
  const [from, to] = [`oci:${layout}:t`, `docker://${reference}`];
  execFileSync("skopeo", ["copy", "-q", "--dest-tls-verify=false", from, to]);
}

test("an image from Debian's docker-registry makes the same tree as umoci makes of it", async () => {
  const work = scratchDirectory();
  const layout = join(work, "layout");
  writeOciLayout(layout, "t", await demandingImage("gzip"));
  const reference = `${registry.host}/peers/demanding:1`;
  pushLayout(layout, reference);
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
    pushLayout(layout, reference);
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
  pushLayout(layout, reference);
  const home = join(work, "home");
  const wrong = await runTl(["import", reference, "--platform", "linux/s390x"], { home });
  expect(wrong).toMatchObject({ exitCode: 1 });
  expect(wrong.stderr).toContain("ERR_PLATFORM_NOT_FOUND");
  const right = await runTl(["import", reference, "--platform", "linux/arm64", "--json"], { home });
  expect(JSON.parse(right.stdout)).toMatchObject({ platform: "linux/arm64" });
});
