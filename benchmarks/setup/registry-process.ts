import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Whether a registry is there. */
export async function answers(host: string): Promise<boolean> {
  try {
    return (await fetch(`http://${host}/v2/`)).ok;
  } catch {
    return false;
  }
}

/** @param name `lab/app:2` */
export async function hasImage(host: string, name: string): Promise<boolean> {
  const [repository = "", tag = ""] = name.split(":");
  const url = `http://${host}/v2/${repository}/manifests/${tag}`;
  const { ok } = await fetch(url, { method: "HEAD", headers: { accept: MANIFEST } });
  return ok;
}

/** Starts Debian's docker-registry, which outlives this process, with its files below `directory`. */
export async function startRegistry(host: string, directory: string): Promise<void> {
  const config = join(directory, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1
storage: {filesystem: {rootdirectory: "${join(directory, "registry")}"}, delete: {enabled: true}}
http: {addr: "${host}"}
log: {level: error, accesslog: {disabled: true}}
`,
  );
  const log = openSync(join(directory, "registry.log"), "a");
  const child = spawn("docker-registry", ["serve", config], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.unref();
  closeSync(log);
  writeFileSync(join(directory, "registry.pid"), `${child.pid}\n`);
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await answers(host)) return;
    await sleep(100);
  }
  throw new Error(`docker-registry does not answer on ${host}; see ${directory}/registry.log`);
}

/** @returns whether there was one */
export function stopRegistry(directory: string): boolean {
  const path = join(directory, "registry.pid");
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // The number may be another process's by now.
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (!command.includes(join(directory, "registry.yml"))) return false;
    process.kill(pid, "SIGTERM");
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { force: true });
  }
}
