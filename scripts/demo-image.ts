import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  directoryEntry,
  fileEntry,
  makeLayer,
  symlinkEntry,
  type LayerEntry,
} from "../test/support/make-layer.ts";
import type { TestImage } from "../test/support/test-registry/test-image.ts";

const MAIN = `import { existsSync, readFileSync } from "node:fs";
const greeting = readFileSync("/app/greeting.txt", "utf8").trim();
const gone = existsSync("/app/secret.txt") ? "still there" : "gone";
console.log(\`\${greeting} from Node \${process.version}; the file that an upper layer deleted is \${gone}\`);
`;

/** A real image, made of what this machine has: the libraries that Node needs, Node, a small app, and changes to it. */
export async function buildDemoImage(): Promise<TestImage> {
  const layers = [
    await makeLayer(baseEntries()),
    await makeLayer([fileEntry("usr/bin/node", readFileSync(process.execPath), 0o755)]),
    await makeLayer(
      [
        directoryEntry("app"),
        fileEntry("app/main.mjs", MAIN),
        fileEntry("app/greeting.txt", "Hello\n"),
        fileEntry("app/secret.txt", "an upper layer deletes this\n"),
      ],
      "zstd",
    ),
    await makeLayer([
      fileEntry("app/greeting.txt", "Hello out of a root filesystem that no daemon touched,\n"),
      fileEntry("app/.wh.secret.txt", ""),
    ]),
  ];
  return {
    layers,
    platform: { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch },
    config: {
      Cmd: ["/usr/bin/node", "/app/main.mjs"],
      Env: ["PATH=/usr/bin:/bin"],
      WorkingDir: "/app",
      Labels: { "org.opencontainers.image.title": "rootlift demo" },
    },
  };
}

/** /lib and /lib64 are links into /usr, as on every current distribution: the libraries go through them. */
function baseEntries(): readonly LayerEntry[] {
  const directories = ["usr", "usr/bin", "usr/lib", "usr/lib64"].map((name) =>
    directoryEntry(name),
  );
  const links = ["bin", "lib", "lib64"].map((name) => symlinkEntry(name, `usr/${name}`));
  const libraries = sharedLibraries(process.execPath).map((path) =>
    fileEntry(path.slice(1), readFileSync(path), 0o755),
  );
  return [...directories, directoryEntry("tmp", 0o1777), ...links, ...libraries];
}

/** What ldd names: the libraries, and the loader. */
function sharedLibraries(program: string): readonly string[] {
  const listing = execFileSync("ldd", [program], { encoding: "utf8" });
  const paths = [...listing.matchAll(/(?:=> |^\s*)(\/\S+)/gm)].map(([, path = ""]) => path);
  return [...new Set(paths)];
}
