import { execFileSync, spawnSync } from "node:child_process";

/** Of Debian 12: the peers, the registry, and what images are built with. */
const PACKAGES =
  "skopeo umoci buildah containerd e2fsprogs mount docker-registry mmdebstrap ca-certificates".split(
    " ",
  );

/** Installs what is missing of the packages; needs root for that, and for building images. */
export function installTools(say: (line: string) => void): void {
  const missing = PACKAGES.filter((name) => spawnSync("dpkg", ["-s", name]).status !== 0);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new Error(`as root: apt-get install --no-install-recommends ${missing.join(" ")}`);
  }
  say(`installing ${missing.join(" ")} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const quiet = ["-y", "-qq", "--no-install-recommends"];
  execFileSync("apt-get", ["update", "-qq"], { env, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("apt-get", ["install", ...quiet, ...missing], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
