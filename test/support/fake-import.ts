import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RegisteredImage } from "../../src/store/records.ts";
import { fileError } from "../../src/store/store-error.ts";
import type { BeginIngest, Ingest, SnapshotFacts, Store } from "../../src/store/store.ts";

const MANIFEST = '{"m":1}';

/** An import without an image: the store cannot tell. */
export const FACTS: SnapshotFacts = {
  snapshotFormatVersion: "rootlift_directory_v1",
  format: "dir",
  sizeBytes: 4096,
  rootfsDiskBytes: 10_737_418_240,
  entries: 4,
  reference: "docker.io/library/fake:1",
  manifestDigest: `sha256:${createHash("sha256").update(MANIFEST).digest("hex")}`,
  platform: "linux/amd64",
  layers: [{ digest: "sha256:d", diffId: "sha256:i", sizeBytes: 7 }],
  createdAt: "2026-01-02T03:04:05.000Z",
  toolVersion: "0.1.0",
  config: { env: ["A=1"], labels: { k: "v" }, exposedPorts: [], volumes: [], cmd: ["sh"] },
};
const FILES = { configBytes: Buffer.from("{}"), manifestBytes: Buffer.from(MANIFEST) };

export function importRequest(name: string, options: Partial<BeginIngest> = {}): BeginIngest {
  return {
    project: "default",
    public: false,
    replace: false,
    rootfsName: "rootfs",
    name,
    ...options,
  };
}

/** What the sink would leave. `content` tells one root filesystem from another. */
export function makeRootfs(path: string, content: string): void {
  mkdirSync(join(path, "etc"), { recursive: true });
  writeFileSync(join(path, "etc", "content"), content);
  symlinkSync("/etc/content", join(path, "link"));
  writeFileSync(join(path, "last"), content);
}

/** Both files, so that half a root filesystem shows. */
export function rootfsContent(path: string): string {
  const read = (name: string): string => readFileSync(join(path, name), "utf8");
  const [first, last] = [read("etc/content"), read("last")];
  if (first !== last) throw new Error(`half of two root filesystems: ${first}, ${last}`);
  return first;
}

export function contentOf({ snapshot }: RegisteredImage): string {
  return rootfsContent(fileURLToPath(snapshot.snapshotUri ?? ""));
}

export async function commitFake(
  ingest: Ingest,
  request: BeginIngest,
  content: string,
): Promise<RegisteredImage> {
  try {
    makeRootfs(ingest.rootfsPath, content);
  } catch (error) {
    // As the pipeline does when the sink fails.
    await ingest.abort();
    throw fileError(error, "write", ingest.rootfsPath);
  }
  return ingest.commit(FACTS, FILES, request);
}

export async function fakeImport(
  store: Store,
  request: BeginIngest,
  content: string = request.name,
): Promise<RegisteredImage> {
  const ingest = await store.beginIngest(request);
  return commitFake(ingest, request, content);
}
