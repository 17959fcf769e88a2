import { spawn } from "node:child_process";
import type { BootFiles } from "./make-initramfs.ts";

export type Accelerator = "tcg" | "kvm";

export interface GuestOptions {
  readonly accelerator: Accelerator;
  /** Of the kernel, besides the console. */
  readonly parameters?: string;
  /** The virtio disk; none for a probe. */
  readonly diskPath?: string;
  /** Then qemu is killed. */
  readonly limitMs: number;
}

/**
 * Boots a guest without a network and waits until it has switched itself off.
 * @returns everything that it printed on its console, without carriage returns
 * @throws Error with the end of that when qemu fails, or has not ended in time
 */
export async function runGuest(
  { kernelPath, initramfsPath }: BootFiles,
  { accelerator, parameters = "", diskPath, limitMs }: GuestOptions,
): Promise<string> {
  const disk =
    diskPath === undefined ? [] : ["-drive", `file=${diskPath},format=raw,if=virtio,cache=unsafe`];
  const machine = ["-accel", accelerator, "-m", "512", "-no-reboot", "-nic", "none"];
  const screen = ["-display", "none", "-serial", "stdio", "-monitor", "none"];
  // panic=-1: a guest that panics ends at once.
  const append = `console=ttyS0 quiet panic=-1 ${parameters}`;
  const boot = ["-kernel", kernelPath, "-initrd", initramfsPath, "-append", append];
  const child = spawn("qemu-system-x86_64", [...machine, ...screen, ...boot, ...disk], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  let timedOut = false;
  const limit = setTimeout(() => {
    timedOut = true;
    kill();
  }, limitMs);
  let [said, complaints] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk.replaceAll("\r", "");
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    complaints += chunk;
  });
  try {
    const exitCode = await new Promise<number | null>((settle, reject) => {
      child.on("error", reject);
      child.on("close", settle);
    });
    const end = `${said.slice(-2000)}\n${complaints}`;
    if (timedOut) throw new Error(`the guest did not end within ${limitMs / 1000} s:\n${end}`);
    if (exitCode !== 0) throw new Error(`qemu ended with exit code ${exitCode}:\n${end}`);
    return said;
  } finally {
    clearTimeout(limit);
    process.off("exit", kill);
  }
}

/** KVM hangs on some nested hosts although /dev/kvm is there: it is believed when it has booted a kernel to its end. */
export async function probeKvm(files: BootFiles): Promise<boolean> {
  const options = { accelerator: "kvm", parameters: "rootlift.probe", limitMs: 20_000 } as const;
  try {
    return (await runGuest(files, options)).includes("ROOTLIFT-PROBE ok");
  } catch {
    return false;
  }
}
