import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { importSandboxImage } from "../src/index.ts";
import { imageProblems } from "../test/support/ext4-check.ts";
import { writeStreamedLayout } from "../test/support/ext4/streamed-layout.ts";
import { withMounted } from "../test/support/loop-mount.ts";
import { mustRun } from "../test/support/run-program.ts";
import { makeInitramfs, treeSumScript, type BootFiles } from "./boot/make-initramfs.ts";
import { probeKvm, runGuest, type Accelerator } from "./boot/run-guest.ts";

/**
 * npm run test:boot -- [--kvm] [REF]
 *
 * Imports an image of linux/amd64 as an ext4 disk and boots it in QEMU: Debian's cloud kernel, an initramfs that loads
 * virtio, grows the mounted disk and switches into it. The root's own shell then sums up its tree, as the same shell does
 * in the directory of another import (by chroot), and writes files; afterwards e2fsck must find a clean disk. TCG; with
 * --kvm KVM, where a probe shows that it works. REF: the lab's Debian where its registry answers, else a Debian that
 * mmdebstrap makes. Run as root, after scripts/setup-boot-tools.sh.
 */
const LAB_REGISTRY = "127.0.0.1:5000";
const LAB_IMAGE = `${LAB_REGISTRY}/lab/debian:bookworm`;
const DISK_MIB = 4096;
/** The device of the guest: the disk grows while it is mounted. */
const GROWN_MIB = 2 * DISK_MIB;
const TCG_LIMIT_MS = 900_000;
const WRITTEN = "written by the guest\n";

async function bootImage(reference: string, files: BootFiles, parts: BootParts): Promise<void> {
  const { work, accelerator } = parts;
  const directory = join(work, "directory");
  const diskPath = join(work, "disk.img");
  const options = { home: join(work, "home"), registeredName: "boot", replace: true, fsync: false };
  const platform = "linux/amd64";
  await importSandboxImage(reference, { ...options, platform, format: "dir", output: directory });
  await importSandboxImage(reference, {
    ...options,
    platform,
    format: "ext4",
    diskMb: DISK_MIB,
    output: diskPath,
  });
  await expectClean(diskPath);
  const expected = (await mustRun("chroot", [directory, "/bin/sh", "-ec", hostScript()])).trim();
  await mustRun("truncate", ["--size", `${GROWN_MIB}M`, diskPath]);
  say(`booting ${reference} with ${accelerator}`);
  const startedMs = performance.now();
  const said = await runGuest(files, { accelerator, diskPath, limitMs: TCG_LIMIT_MS });
  const took = ((performance.now() - startedMs) / 1000).toFixed(0);
  const sum = /^ROOTLIFT-TREE ([0-9a-f]{64})$/m.exec(said)?.[1];
  if (sum === undefined || !said.includes("ROOTLIFT-END")) {
    throw new Error(`the guest did not get to its end:\n${said.slice(-3000)}`);
  }
  say(`the guest ended after ${took} s; the tree in the guest: ${sum}; on the host: ${expected}`);
  if (sum !== expected) throw new Error("the guest sees another tree");
  await expectClean(diskPath);
  await expectGrown(diskPath);
  const written = await withMounted(diskPath, "read-only", (rootPath) =>
    readFileSync(join(rootPath, "rootlift-guest"), "utf8"),
  );
  if (written !== WRITTEN) throw new Error("what the guest wrote is not on the disk");
}

interface BootParts {
  readonly work: string;
  readonly accelerator: Accelerator;
}

function hostScript(): string {
  return `export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n${treeSumScript()}\ntree_sum\n`;
}

async function expectClean(diskPath: string): Promise<void> {
  const problems = await imageProblems(diskPath);
  if (problems.length > 0) throw new Error(`e2fsck: ${problems.join("\n")}`);
}

async function expectGrown(diskPath: string): Promise<void> {
  const header = await mustRun("dumpe2fs", ["-h", diskPath]);
  const blocks = Number(/^Block count:\s+(\d+)$/m.exec(header)?.[1]);
  if (blocks !== GROWN_MIB * 256) throw new Error(`the disk has ${blocks} blocks after it grew`);
}

/** The lab's image where there is a lab. */
async function defaultReference(work: string): Promise<string> {
  try {
    const { ok } = await fetch(`http://${LAB_REGISTRY}/v2/`, { signal: AbortSignal.timeout(2000) });
    if (ok) return LAB_IMAGE;
  } catch {
    // No lab on this machine.
  }
  return makeDebian(work);
}

async function makeDebian(work: string): Promise<string> {
  say("no lab registry: making a Debian with mmdebstrap");
  const archive = join(work, "debian.tar");
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  await mustRun("mmdebstrap", ["--quiet", "--variant=essential", suite ?? "stable", archive]);
  const layout = join(work, "layout");
  mkdirSync(layout);
  const chunks = [readFileSync(archive)];
  await writeStreamedLayout(layout, [{ compression: "gzip", chunks }]);
  return `oci:${layout}:case`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { kvm: { type: "boolean" } },
    allowPositionals: true,
  });
  const setup = join(import.meta.dirname, "setup-boot-tools.sh");
  const kernels = (await mustRun("bash", [setup])).trim();
  const work = mkdtempSync(join(tmpdir(), "rootlift-boot-"));
  try {
    const files = await makeInitramfs(kernels, work);
    const accelerator = values.kvm === true && (await probeKvm(files)) ? "kvm" : "tcg";
    if (values.kvm === true && accelerator === "tcg") say("KVM does not boot a kernel here");
    const reference = positionals[0] ?? (await defaultReference(work));
    await bootImage(reference, files, { work, accelerator });
    say("1 passed, 0 failed");
  } catch (error) {
    say(`FAIL ${error instanceof Error ? error.message : String(error)}`);
    say("0 passed, 1 failed");
    process.exitCode = 1;
  } finally {
    spawnSync("rm", ["-rf", "--", work]);
  }
}

await main();
