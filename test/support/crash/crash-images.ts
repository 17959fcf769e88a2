import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportSandboxImage, importSandboxImage } from "../../../src/index.ts";
import { Random } from "../../fuzz/random.ts";
import { digestText } from "../digest-text.ts";
import { directoryEntry, fileEntry, makeLayer, symlinkEntry } from "../make-layer.ts";
import { writeOciLayout } from "../oci-layout.ts";
import { readDirectory } from "../read-directory.ts";
import type { TestLayer } from "../test-registry/test-image.ts";
import { startTestRegistry, type TestRegistry } from "../test-registry/test-registry.ts";

/** A small image, and what it must look like after any import or export. */
export interface CrashImage {
  readonly label: string;
  /** In an OCI layout on the disk. */
  readonly layoutReference: string;
  /** In the registry, which is slow enough that a pull can be hit. */
  readonly registryReference: string;
  readonly manifestDigest: string;
  /** Of the archive that an export makes, whatever the format of the snapshot. */
  readonly archiveDigest: string;
  /** Of the listing of the directory that an export makes. */
  readonly treeDigest: string;
}

export interface CrashImages {
  readonly images: readonly CrashImage[];
  readonly registry: TestRegistry;
  /** For whoever needs a place: removed by `close`. */
  readonly work: string;
  close(): Promise<void>;
}

const LAYER_BYTES = 60_000;
/** A pull of two such layers takes a tenth of a second. */
const BYTES_PER_SECOND = 600_000;
export const DISK_MB = "8";

export async function startCrashImages(count = 4): Promise<CrashImages> {
  const work = mkdtempSync(join(tmpdir(), "rootlift-crash-"));
  const registry = await startTestRegistry({ bytesPerSecond: BYTES_PER_SECOND });
  const base = await layerOf("base");
  const images: CrashImage[] = [];
  for (let number = 0; number < count; number += 1) {
    const label = `v${number}`;
    const layers = [base, await layerOf(label)];
    const layout = join(work, "layouts", label);
    mkdirSync(layout, { recursive: true });
    writeOciLayout(layout, label, { layers });
    const manifestDigest = await registry.addImage("app", label, { layers });
    const layoutReference = `oci:${layout}:${label}`;
    const digests = await cleanDigests(layoutReference, join(work, "clean", label));
    const registryReference = `${registry.host}/app:${label}`;
    images.push({ label, layoutReference, registryReference, manifestDigest, ...digests });
  }
  return {
    images,
    registry,
    work,
    close: async () => {
      await registry.close();
      spawnSync("rm", ["-rf", "--", work]);
    },
  };
}

async function layerOf(label: string): Promise<TestLayer> {
  const noise = new Random(7, label).bytes(LAYER_BYTES);
  return makeLayer([
    directoryEntry("etc"),
    fileEntry("etc/label", label),
    fileEntry(`etc/${label}`, noise),
    { name: `etc/again-${label}`, type: "link", linkname: `etc/${label}` },
    symlinkEntry("link", `etc/${label}`),
    fileEntry("last", label, 0o4755),
  ]);
}

/** Of an import that nobody disturbs, in a store of its own. */
async function cleanDigests(
  reference: string,
  place: string,
): Promise<Pick<CrashImage, "archiveDigest" | "treeDigest">> {
  const home = join(place, "home");
  const options = { home, registeredName: "clean", format: "tar", fsync: false, cpus: 1 } as const;
  const { path } = await importSandboxImage(reference, options);
  const output = join(place, "tree");
  await exportSandboxImage("clean", { home, output, format: "dir", fsync: false });
  return { archiveDigest: digestText(readFileSync(path)), treeDigest: treeDigestOf(output) };
}

export function treeDigestOf(path: string): string {
  const rows = JSON.stringify(readDirectory(path), (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return digestText(Buffer.from(rows));
}
