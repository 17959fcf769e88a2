import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDebianRegistry, type DebianRegistry } from "../debian-registry.ts";
import { demandingImage } from "../demanding-image.ts";
import { noise } from "../layered-image.ts";
import { directoryEntry, fileEntry, makeLayer } from "../make-layer.ts";
import { pushLayout, writeOciLayout } from "../oci-layout.ts";
import { rootRows } from "../root-rows.ts";
import { mustRun } from "../run-program.ts";
import { selfSignedCertificate, type TestCertificate } from "../self-signed-certificate.ts";
import type { TestImage } from "../test-registry/test-image.ts";
import { openOwnMachine, type OwnMachine } from "./own-machine.ts";

/** An image that lies in the lab's registry, and what umoci makes of it. */
export interface PushedImage {
  /** `team/app:1` */
  readonly name: string;
  readonly rows: readonly string[];
  readonly layerBytes: number;
}

/** What all scenes share: a real registry full of images, an authority, and a machine that knows their names. */
export interface PullLab {
  readonly machine: OwnMachine;
  /** Debian's docker-registry, plain http, no login. */
  readonly origin: DebianRegistry;
  readonly authority: Authority;
  readonly images: Readonly<Record<ImageName, PushedImage>>;
  /** The command to try: node and a script. */
  readonly command: readonly string[];
  /** For layouts and the like; gone at the end. */
  readonly directory: string;
  close(): Promise<void>;
}

/**
 * `app` has what root filesystems are made of, `docker` is the same as a docker schema 2 image, `zstd` with zstd layers, `big`
 * is one layer of noise that takes its time.
 */
export type ImageName = "app" | "docker" | "zstd" | "big";

export type Authority = TestCertificate & { readonly name: string };

/** Names that are not loopback to whoever only reads them: certificates are checked, and proxies are used. */
export const HOSTS = ["registry.test", "other.test", "mirror.test", "storage.test"] as const;

export async function openPullLab(command: readonly string[]): Promise<PullLab> {
  const directory = mkdtempSync(join(tmpdir(), "rootlift-lab-"));
  const closers: (() => Promise<void> | void)[] = [
    () => rmSync(directory, { recursive: true, force: true }),
  ];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne();
  };
  try {
    const machine = await openOwnMachine([`127.0.0.1 ${HOSTS.join(" ")}`]);
    closers.push(() => machine.close());
    const origin = await startDebianRegistry();
    closers.push(() => origin.close());
    const images = await pushImages(origin, directory);
    const authority = makeAuthority("Rootlift Test CA");
    return { machine, origin, authority, images, command, directory, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export function makeAuthority(name: string): Authority {
  return { ...selfSignedCertificate({ names: [name] }), name };
}

async function pushImages(
  origin: DebianRegistry,
  directory: string,
): Promise<Readonly<Record<ImageName, PushedImage>>> {
  const app = await pushImage(origin, directory, "app", await demandingImage("gzip"));
  const reference = (name: string): string => `${origin.host}/${name}`;
  const copies = { docker: ["--format", "v2s2"], zstd: ["--dest-compress-format", "zstd"] };
  for (const [name, options] of Object.entries(copies)) {
    await pushLayout(join(directory, "app"), reference(`team/${name}:1`), options);
  }
  const big = await pushImage(origin, directory, "big", await bigImage());
  return {
    app,
    big,
    docker: { ...app, name: "team/docker:1" },
    zstd: { ...app, name: "team/zstd:1" },
  };
}

export async function pushImage(
  origin: DebianRegistry,
  directory: string,
  name: string,
  image: TestImage,
): Promise<PushedImage> {
  const layout = join(directory, name);
  writeOciLayout(layout, "t", image);
  await pushLayout(layout, `${origin.host}/team/${name}:1`);
  const root = join(directory, `${name}-root`);
  await mustRun("umoci", ["raw", "unpack", "--image", `${layout}:t`, root]);
  const layerBytes = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { name: `team/${name}:1`, rows: rootRows(root), layerBytes };
}

async function bigImage(): Promise<TestImage> {
  const parts = ["a", "b", "c", "d"].map((name) =>
    fileEntry(`data/${name}`, noise(3_000_000, name)),
  );
  const entries = [directoryEntry("data"), ...parts];
  return { layers: [await makeLayer(entries)] };
}
