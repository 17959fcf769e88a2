import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { mustRun, runProgram } from "../../test/support/run-program.ts";

export interface BootFiles {
  readonly kernelPath: string;
  readonly initramfsPath: string;
}

/** The modules that Debian's cloud kernel does not have built in. */
const MODULES = ["virtio_pci", "virtio_blk", "ext4"];

/**
 * Makes an initramfs of busybox, resize2fs, virtio's modules and `init.sh`, for a kernel that `setup-boot-tools.sh` unpacked.
 * @param kernels what that script printed
 */
export async function makeInitramfs(kernels: string, work: string): Promise<BootFiles> {
  const version = readdirSync(join(kernels, "lib/modules"))[0] ?? "";
  const root = join(work, "initramfs");
  for (const name of ["bin", "modules"]) mkdirSync(join(root, name), { recursive: true });
  const busybox = (await mustRun("sh", ["-c", "command -v busybox"])).trim();
  copyFileSync(busybox, join(root, "bin/busybox"));
  symlinkSync("busybox", join(root, "bin/sh"));
  await copyWithLibraries("resize2fs", root);
  await copyModules(kernels, version, root);
  copyFileSync(join(import.meta.dirname, "init.sh"), join(root, "init"));
  chmodSync(join(root, "init"), 0o755);
  writeFileSync(join(root, "in-root.sh"), inRootScript());
  const initramfsPath = join(work, "initramfs.cpio");
  const pack = 'cd "$1" && find . | cpio --quiet -o -H newc > "$2"';
  await mustRun("sh", ["-ec", pack, "sh", root, initramfsPath]);
  return { kernelPath: join(kernels, `boot/vmlinuz-${version}`), initramfsPath };
}

/** `tree_sum` as shell text, to be run by a root's own shell. */
export function treeSumScript(): string {
  return readFileSync(join(import.meta.dirname, "tree-sum.sh"), "utf8");
}

function inRootScript(): string {
  return treeSumScript() + readFileSync(join(import.meta.dirname, "in-root.sh"), "utf8");
}

/** In the order of loading; a number in front keeps it. What is built in is not among them. */
async function copyModules(kernels: string, version: string, root: string): Promise<void> {
  const seen = new Set<string>();
  for (const module of MODULES) {
    const options = ["--dirname", kernels, "--set-version", version, "--ignore-install"];
    const listed = await mustRun("modprobe", [...options, "--show-depends", module]);
    for (const [, path = ""] of listed.matchAll(/^insmod (\S+)/gm)) seen.add(path);
  }
  for (const [at, path] of [...seen].entries()) {
    const name = `${String(at).padStart(2, "0")}-${basename(path)}`;
    copyFileSync(path, join(root, "modules", name));
  }
}

async function copyWithLibraries(program: string, root: string): Promise<void> {
  const path = (await mustRun("sh", ["-c", `command -v ${program}`])).trim();
  copyFileSync(path, join(root, "bin", program));
  // A static program has none, and ldd says so with its exit code.
  const { stdout } = await runProgram("ldd", [path]);
  for (const [library] of stdout.matchAll(/\/\S+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}
