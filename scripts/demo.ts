import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startTestRegistry } from "../test/support/test-registry/test-registry.ts";
import { buildDemoImage } from "./demo-image.ts";
import { pushImage } from "./push-image.ts";
import { runCommand } from "./run-command.ts";

/**
 * The main job, with nothing but this repository: a registry on loopback, an image made of what the machine has, pushed
 * there and imported with the real command line: as a disk image, which is listed, described and checked, and as a directory,
 * in which the app runs.
 */
const COMMAND = resolve(import.meta.dirname, "../bin/tl.js");
const REPOSITORY = "demo/hello";

function say(text: string): void {
  process.stdout.write(`\n── ${text}\n`);
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** Where e2fsprogs is installed, an opinion that is not ours. */
function checkImage(imagePath: string): void {
  const { size, blocks } = statSync(imagePath);
  say(`e2fsck -fn rootfs.ext4 (a disk of ${mib(size)}, of which ${mib(blocks * 512)} are taken)`);
  const run = spawnSync("e2fsck", ["-fn", imagePath], { encoding: "utf8" });
  if (run.error !== undefined) {
    process.stdout.write("e2fsck is not installed here; tl sbx image verify needs nothing\n");
    return;
  }
  process.stdout.write(run.stdout);
  if (run.status !== 0) throw new Error(`e2fsck ended with ${run.status ?? run.signal}`);
}

/** As root the app runs in its root filesystem; without root (or chroot) what was written is compared. */
function runImage(rootfsPath: string, isRoot: boolean): void {
  if (isRoot) {
    say("running the imported root filesystem: chroot ROOTFS /usr/bin/node /app/main.mjs");
    const run = spawnSync("chroot", [rootfsPath, "/usr/bin/node", "/app/main.mjs"], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    if (run.status !== 0) throw new Error(`the app ended with ${run.status ?? run.signal}`);
    return;
  }
  say("not root, so no chroot: verifying the tree instead");
  const node = readFileSync(join(rootfsPath, "usr/bin/node"));
  if (!node.equals(readFileSync(process.execPath))) throw new Error("usr/bin/node differs");
  if (existsSync(join(rootfsPath, "app/secret.txt"))) throw new Error("the whiteout did nothing");
  process.stdout.write("usr/bin/node is byte for byte this Node, and the deleted file is gone\n");
}

async function demo(homePath: string): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const registry = await startTestRegistry();
  try {
    say(`a registry on ${registry.host}, and an image of four layers made of this machine's Node`);
    const target = { registryUrl: registry.url, repository: REPOSITORY, tag: "1.0" };
    await pushImage(target, await buildDemoImage());
    const reference = `${registry.host}/${REPOSITORY}:1.0`;
    const owner = isRoot ? [] : ["--no-same-owner"];
    const env = { ...process.env, ROOTLIFT_HOME: homePath };
    const tl = async (...args: readonly string[]): Promise<string> => {
      say(`tl sbx image ${args.join(" ")}`);
      return runCommand(process.execPath, [COMMAND, "sbx", "image", ...args], { env });
    };
    await tl("import", reference);
    process.stdout.write(await tl("ls"));
    const record: unknown = JSON.parse(await tl("describe", "hello", "--json"));
    process.stdout.write(`${JSON.stringify(record, undefined, 2)}\n`);
    checkImage(pathOf(record));
    await tl("import", reference, "-n", "hello-directory", "--format", "dir", ...owner);
    runImage(pathOf(JSON.parse(await tl("describe", "hello-directory", "--json"))), isRoot);
    process.stdout.write(await tl("rm", "hello"));
    process.stdout.write(await tl("rm", "hello-directory"));
  } finally {
    await registry.close();
  }
}

function pathOf(record: unknown): string {
  const path: unknown =
    typeof record === "object" && record !== null ? Reflect.get(record, "path") : undefined;
  if (typeof path === "string") return path;
  throw new Error("describe names no path");
}

const homePath = mkdtempSync(join(tmpdir(), "rootlift-demo-"));
try {
  await demo(homePath);
  say("done: npm ci && npm test runs the tests");
} finally {
  rmSync(homePath, { recursive: true, force: true });
}
