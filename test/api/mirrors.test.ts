import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  importSandboxImage,
  planSandboxImageImport,
  type ImportEvent,
  type ImportSandboxImageOptions,
} from "../../src/index.ts";
import { digestText } from "../support/digest-text.ts";
import { importErrorFrom } from "../support/import-error.ts";
import { fileEntry, makeLayer } from "../support/make-layer.ts";
import { runSource } from "../support/run-tl.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startedRegistry } from "../support/started-registry.ts";
import type { TestImage } from "../support/test-registry/test-image.ts";
import type { TestRegistry } from "../support/test-registry/test-registry.ts";

interface Imported {
  readonly archive: Buffer;
  readonly warnings: readonly string[];
}

/** The image as an archive, which is the same for the same tree. */
async function imported(
  reference: string,
  options: ImportSandboxImageOptions = {},
): Promise<Imported> {
  const home = scratchDirectory();
  const output = join(scratchDirectory(), "image.tar");
  const events: ImportEvent[] = [];
  await importSandboxImage(reference, {
    home,
    output,
    format: "tar",
    env: { HOME: home },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
  return { archive: readFileSync(output), warnings };
}

function lines(name: string): string {
  return `${name}\n`.repeat(20_000);
}

async function testImage(): Promise<TestImage> {
  return {
    layers: [
      await makeLayer([fileEntry("base", lines("base"))]),
      await makeLayer([fileEntry("app", lines("app"))], "zstd"),
    ],
  };
}

async function registries(count: number, repository = "team/app"): Promise<TestRegistry[]> {
  const image = await testImage();
  return Promise.all(
    Array.from({ length: count }, async () => {
      const registry = await startedRegistry();
      await registry.addImage(repository, "1", image);
      return registry;
    }),
  );
}

test("two mirrors that send wrong layers are left, and the image is the registry's, byte for byte", async () => {
  const [registry, ...mirrors] = await registries(3);
  if (registry === undefined) throw new Error("no registry");
  const reference = `${registry.host}/team/app:1`;
  const { archive } = await imported(reference);
  const image = await testImage();
  for (const { faults } of mirrors) {
    for (const { bytes } of image.layers) {
      const atByte = bytes.length - 3;
      faults.add({ on: "blob", digest: digestText(bytes), kind: "flip", atByte });
    }
  }
  const urls = mirrors.map(({ url }) => url);
  const mirrored = await imported(reference, { mirrors: { [registry.host]: urls } });
  expect(mirrored.archive.equals(archive)).toBe(true);
  expect(mirrored.warnings).toEqual(
    mirrors.map(({ host }) => expect.stringContaining(`mirror ${host} failed, it is not asked`)),
  );
});

test("hosts.toml: the mirror is told whose image is meant, and the registry is not needed", async () => {
  const [mirror] = await registries(1);
  if (mirror === undefined) throw new Error("no mirror");
  const hostsDir = scratchDirectory();
  mkdirSync(join(hostsDir, "registry.invalid_5000_"));
  writeFileSync(
    join(hostsDir, "registry.invalid_5000_/hosts.toml"),
    `[host."${mirror.url}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
  const plan = await planSandboxImageImport("registry.invalid:5000/team/app:1", {
    hostsDir,
    home: scratchDirectory(),
    env: { HOME: "/nonexistent" },
  });
  expect(plan.layers).toHaveLength(2);
  expect(mirror.requests).toHaveLength(2);
  for (const { path } of mirror.requests) expect(path).toMatch(/\?ns=registry\.invalid%3A5000$/);
});

test("registries.conf of the environment: a path before the name of the image, and no ns", async () => {
  const [mirror] = await registries(1, "hub/library/app");
  if (mirror === undefined) throw new Error("no mirror");
  const conf = join(scratchDirectory(), "registries.conf");
  writeFileSync(
    conf,
    `[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${mirror.host}/hub"\n`,
  );
  const env = { HOME: "/nonexistent", CONTAINERS_REGISTRIES_CONF: conf };
  const options = { env, home: scratchDirectory() };
  expect((await planSandboxImageImport("app:1", options)).layers).toHaveLength(2);
  // On loopback it may be asked first whether it speaks http at all.
  const first = mirror.requests.find(({ path }) => path !== "/v2/");
  expect(first?.path).toBe("/v2/hub/library/app/manifests/1");
  writeFileSync(conf, `[[registry]]\nlocation = "docker.io"\nblocked = true\n`);
  expect(await importErrorFrom(planSandboxImageImport("app:1", options))).toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: `${conf}, line 3: docker.io/library/app:1 is not to be pulled: "docker.io" is blocked there`,
  });
});

test("the command: a Hub image from a mirror, its library/ in the path; all errors in one line", async () => {
  const [mirror] = await registries(1, "library/app");
  if (mirror === undefined) throw new Error("no mirror");
  const home = scratchDirectory();
  const env = { HOME: home, ROOTLIFT_HOME: home, ROOTLIFT_REGISTRY_MIRRORS: mirror.url };
  const plan = await runSource(["sbx", "image", "import", "app:1", "--dry-run", "--json"], env);
  expect(plan.stderr).not.toContain("Error");
  expect(JSON.parse(plan.stdout)).toMatchObject({ reference: "docker.io/library/app:1" });
  expect(mirror.requests[0]?.path).toBe("/v2/library/app/manifests/1");
  const [registry, broken] = await registries(2);
  if (registry === undefined || broken === undefined) throw new Error("no registries");
  broken.faults.add({ on: "manifest", kind: "status", status: 500 });
  const options = ["--mirror", `${registry.host}=${broken.url}`, "--dry-run"];
  const failed = await runSource(
    ["sbx", "image", "import", `${registry.host}/team/other:1`, ...options],
    env,
  );
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toMatch(
    new RegExp(
      `Error: ${registry.host} [^\n]*; before it, mirrors failed: ${broken.host} [^\n]*500[^\n]* \\[ERR_IMAGE_NOT_FOUND\\]`,
    ),
  );
});
