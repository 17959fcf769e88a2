import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { importSandboxImage, type SandboxTemplate } from "../../src/index.ts";
import { overwrite } from "../support/damaged-image.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { runSource } from "../support/run-tl.ts";

let work: string;
let home: string;
let image: SandboxTemplate;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "rootlift-cli-store-"));
  home = join(work, "home");
  const layer = await makeLayer([fileEntry("file", Buffer.alloc(100_000, "x"))]);
  writeOciLayout(join(work, "app"), "1", { layers: [layer] });
  const reference = `oci:${join(work, "app")}:1`;
  image = await importSandboxImage(reference, { home, diskMb: 64, fsync: false });
});
afterAll(() => {
  rmSync(work, { recursive: true });
});

const store = (...args: readonly string[]) =>
  runSource(["store", ...args], { ROOTLIFT_HOME: home, HOME: home });

test("check of a sound store says so, and reads contents with --verify", async () => {
  const { stdout } = await store("check", "--verify", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ sound: true, verified: 1, unverified: [] });
});

test("du and gc tell bytes", async () => {
  const { stdout } = await store("du");
  expect(stdout).toContain(`│ app              ┆ ${image.snapshotId} ┆ ext4   ┆ 64.0 MiB ┆`);
  expect((await store("gc")).stdout).toBe("There was nothing to remove.\n");
});

test("a damaged catalog: a command says what to do, --repair does it", async () => {
  writeFileSync(join(home, "catalog.db"), "no database at all".repeat(100));
  const found = await store("check");
  expect(found.exitCode).toBe(1);
  expect(found.stdout.split("\n")).toEqual([
    `${home}/catalog.db: file is not a database (tl store check --repair)`,
    `${image.snapshotId}: the catalog has no record of it (tl store check --repair)`,
    "",
  ]);
  expect(found.stderr).toContain("has 2 problems [ERR_STORE_CORRUPT]");
  const repaired = await store("check", "--repair");
  expect(repaired).toMatchObject({ exitCode: 0, stderr: "" });
  const aside = readdirSync(home).find((name) => name.startsWith("catalog.db.damaged-"));
  expect(repaired.stdout.split("\n")).toEqual([
    `The damaged catalog is kept as ${home}/${aside}.`,
    `Restored image 'app' (${image.snapshotId}).`,
    "The store is sound (1 image, 1 snapshot).",
    "",
  ]);
});

test("check --verify names an image whose bytes changed", async () => {
  overwrite(image.path, 0x438, Buffer.from("no"));
  const { stdout, stderr, exitCode } = await store("check", "--verify");
  expect(exitCode).toBe(1);
  expect(stdout).toContain(`${image.snapshotId} ("app"): its contents are damaged: image: `);
  expect(stderr).toContain("import it again with --replace, or delete it");
});

test("a place without a store is an error that says so", async () => {
  const env = { ROOTLIFT_HOME: join(work, "none"), HOME: home };
  const { stderr, exitCode } = await runSource(["store", "check"], env);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`there is no store at ${work}/none [ERR_STORE_IO]`);
  expect(readdirSync(work)).not.toContain("none");
});
