import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface BenchmarkImage {
  /** Repository and tag. */
  readonly name: string;
  /** The image below; undefined: made of nothing. */
  readonly from: BenchmarkImage | undefined;
  /** Changes a container that was made of `from`. */
  readonly change: (container: Container) => void;
}

export interface BuildPlace {
  readonly host: string;
  readonly directory: string;
}

/** A container that is being changed. */
interface Container extends BuildPlace {
  /** `buildah`, with words; `%` is the container. @returns its stdout */
  readonly buildah: (...words: string[]) => string;
}

/** What a program of several hundred packages brings: many small files in deep directories. */
const APP_DEPENDENCIES = {
  typescript: "5.9",
  vite: "7",
  react: "19",
  "react-dom": "19",
  lodash: "4",
  eslint: "9",
  "@mui/material": "7",
  "@mui/icons-material": "7",
  "date-fns": "4",
  next: "15",
  "@aws-sdk/client-s3": "3",
  rxjs: "7",
  three: "0.180",
};

const PYTHON_PACKAGES =
  "python3 python3-numpy python3-scipy build-essential git perl nginx-light iputils-ping";

const DEBIAN: BenchmarkImage = { name: "lab/debian:bookworm", from: undefined, change: addDebian };
const PYTHON: BenchmarkImage = { name: "lab/python:full", from: DEBIAN, change: addPython };
const APP: BenchmarkImage = { name: "lab/app:1", from: PYTHON, change: addApp };
const CHANGED_APP: BenchmarkImage = { name: "lab/app:2", from: APP, change: changeApp };

/** README.md says what each is for. */
export const IMAGES: readonly BenchmarkImage[] = [DEBIAN, PYTHON, CHANGED_APP];

/** Builds one image with buildah and pushes it; what it is made of is in the registry. */
export function buildImage({ name, from, change }: BenchmarkImage, place: BuildPlace): void {
  const run = (words: readonly string[]): string => runBuildah(words, place.directory);
  const base = from === undefined ? "scratch" : `docker://${place.host}/${from.name}`;
  const id = run(["from", "-q", "--tls-verify=false", base]);
  const buildah = (...words: string[]): string =>
    run(words.map((word) => (word === "%" ? id : word)));
  try {
    change({ ...place, buildah });
    const image = buildah("commit", "-q", "--format", "oci", "%");
    const target = `docker://${place.host}/${name}`;
    buildah("push", "-q", "--tls-verify=false", "--format", "oci", image, target);
  } finally {
    buildah("rm", "%");
  }
}

/** The images are in the registry: what they were built in would only take room, several gigabytes. */
export function removeBuildStorage(directory: string): void {
  runBuildah(["rmi", "--all", "--force"], directory);
}

function runBuildah(words: readonly string[], directory: string): string {
  const output = execFileSync("buildah", words, {
    env: buildahEnvironment(directory),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  return output.trim();
}

/** Storage of its own, so that nobody's images are touched; chroot, so that it works inside containers. */
function buildahEnvironment(directory: string): NodeJS.ProcessEnv {
  const storage = join(directory, "storage.conf");
  const [root, run] = [join(directory, "storage"), join(directory, "run")];
  writeFileSync(
    storage,
    `[storage]\ndriver = "overlay"\ngraphroot = "${root}"\nrunroot = "${run}"\n`,
  );
  return { ...process.env, BUILDAH_ISOLATION: "chroot", CONTAINERS_STORAGE_CONF: storage };
}

function addDebian({ directory, buildah }: Container): void {
  const archive = join(directory, "base.tar");
  if (!existsSync(archive)) {
    const words = ["--quiet", "--variant=minbase", "bookworm", archive];
    execFileSync("mmdebstrap", words, { stdio: ["ignore", "ignore", "inherit"] });
  }
  buildah("add", "-q", "%", archive, "/");
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  buildah("config", "--cmd", "/bin/bash", "--env", path, "%");
}

function addPython({ buildah }: Container): void {
  const root = buildah("mount", "%");
  // Where this machine reaches Debian through a proxy, the container has to as well.
  for (const file of readdirSync("/etc/apt/apt.conf.d")) {
    copyFileSync(join("/etc/apt/apt.conf.d", file), join(root, "etc/apt/apt.conf.d", file));
  }
  const install = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${PYTHON_PACKAGES}`;
  const script = `export DEBIAN_FRONTEND=noninteractive; { ${install}; } >/dev/null 2>&1 && rm -rf /var/lib/apt/lists/*`;
  buildah("run", "%", "--", "sh", "-c", script);
  buildah("config", "--workingdir", "/srv", "--user", "nobody", "%");
}

function addApp({ directory, buildah }: Container): void {
  const app = join(directory, "app");
  if (!existsSync(join(app, "node_modules"))) {
    mkdirSync(app, { recursive: true });
    const manifest = { name: "app", version: "1.0.0", dependencies: APP_DEPENDENCIES };
    writeFileSync(join(app, "package.json"), JSON.stringify({ ...manifest, private: true }));
    execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: app,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  buildah("copy", "-q", "%", app, "/srv/app");
}

/** Whiteouts, an opaque directory, a hard link to a file of a lower layer, changed contents and a changed mode. */
function changeApp({ buildah }: Container): void {
  const changes = [
    "rm -rf /srv/app/node_modules/next /usr/share/man /usr/lib/python3/dist-packages/scipy/io",
    "ln /usr/bin/python3.11 /usr/bin/py",
    "rm -rf /var/cache",
    "mkdir -p /var/cache/new",
    "echo hi > /etc/motd",
    "chmod 700 /root",
  ];
  buildah("run", "--user", "root", "%", "--", "sh", "-c", changes.join(" && "));
}
