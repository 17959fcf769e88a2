import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack, type Header } from "tar-stream";

/** A real image, made of what this machine has: Node, the shared libraries it needs, and a small app. */
export interface DemoImage {
  readonly manifest: Blob;
  readonly blobs: readonly Blob[];
}
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

const MAIN = `import { existsSync, readFileSync } from "node:fs";
const greeting = readFileSync("/app/greeting.txt", "utf8").trim();
const gone = existsSync("/app/secret.txt") ? "still there" : "gone";
console.log(\`\${greeting} from Node \${process.version}; the file that an upper layer deleted is \${gone}\`);
`;

/** Base (merged /usr, libraries), Node, app, and a layer that replaces one file and deletes another. */
export async function buildDemoImage(): Promise<DemoImage> {
  const layers = [
    await layer("gzip", baseEntries()),
    await layer("gzip", [file("usr/bin/node", readFileSync(process.execPath), 0o755)]),
    await layer("zstd", [
      { name: "app", type: "directory", mode: 0o755 },
      file("app/main.mjs", MAIN),
      file("app/greeting.txt", "Hello\n"),
      file("app/secret.txt", "an upper layer deletes this\n"),
    ]),
    await layer("gzip", [
      file("app/greeting.txt", "Hello out of a root filesystem that no daemon touched,\n"),
      file("app/.wh.secret.txt", ""),
    ]),
  ];
  const config = blob("application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    created: "2026-01-01T00:00:00Z",
    config: {
      Cmd: ["/usr/bin/node", "/app/main.mjs"],
      Env: ["PATH=/usr/bin:/bin"],
      WorkingDir: "/app",
      Labels: { "org.opencontainers.image.title": "rootlift demo" },
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = blob("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, blobs: [config, ...layers] };
}

function descriptor({ mediaType, digest, bytes }: Blob): object {
  return { mediaType, digest, size: bytes.length };
}

/** /lib and /lib64 are links into /usr, as on every current distribution: upper layers write through them. */
function baseEntries(): readonly TarEntry[] {
  const directories = ["usr", "usr/bin", "usr/lib", "usr/lib64", "tmp"].map((name) => ({
    name,
    type: "directory" as const,
    mode: name === "tmp" ? 0o1777 : 0o755,
  }));
  const links = ["bin", "lib", "lib64"].map((name) => ({
    name,
    type: "symlink" as const,
    linkname: `usr/${name}`,
  }));
  const libraries = sharedLibraries(process.execPath).map((path) =>
    file(path.slice(1), readFileSync(path), 0o755),
  );
  return [...directories, ...links, ...libraries];
}

/** What ldd names: the libraries, and the loader. */
function sharedLibraries(program: string): readonly string[] {
  const listing = execFileSync("ldd", [program], { encoding: "utf8" });
  const paths = [...listing.matchAll(/(?:=> |^\s*)(\/\S+)/gm)].map(([, path = ""]) => path);
  return [...new Set(paths)];
}

interface TarEntry extends Partial<Header> {
  readonly name: string;
  readonly contents?: Buffer;
}

function file(name: string, contents: Buffer | string, mode = 0o644): TarEntry {
  return { name, mode, type: "file", contents: Buffer.from(contents) };
}

async function layer(
  compression: "gzip" | "zstd",
  entries: readonly TarEntry[],
): Promise<Blob & { readonly diffId: string }> {
  const archive = pack();
  const mtime = new Date("2026-01-01T00:00:00Z");
  for (const { contents, ...header } of entries) {
    archive.entry({ mtime, uid: 0, gid: 0, ...header }, contents ?? Buffer.alloc(0));
  }
  archive.finalize();
  const bytes = await buffer(archive);
  const packed = compression === "gzip" ? gzipSync(bytes, { level: 1 }) : zstdCompressSync(bytes);
  const mediaType = `application/vnd.oci.image.layer.v1.tar+${compression}`;
  return { mediaType, digest: sha256(packed), bytes: packed, diffId: sha256(bytes) };
}

function blob(mediaType: string, document: object): Blob {
  const bytes = Buffer.from(JSON.stringify(document));
  return { mediaType, digest: sha256(bytes), bytes };
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
