import { spawn } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";

/**
 * The holder of a mount: a shell in a mount namespace of its own. It unmounts when its stdin ends, so also when this
 * process is killed, and nobody else ever sees the mount. `-o loop` frees its loop device with the unmount.
 */
const HOLDER = 'mount -t "$4" -o "$1" "$2" "$3" && echo mounted && cat && umount "$3"';

/** As whom the kernel takes it, and how. An EROFS image can only be read. */
export type MountAccess = "read-only" | "read-write" | "erofs";

/**
 * Mounts an image (ext4, unless said otherwise) by the kernel and shows it to `use`; whatever happens, it is unmounted
 * before this settles. Takes root.
 * @param use gets the path of the root directory, which holds while it runs: no open file may outlive it
 * @throws Error when the kernel refuses the image, or cannot let go of it
 */
export async function withMounted<Result>(
  imagePath: string,
  access: MountAccess,
  use: (rootPath: string) => Result | Promise<Result>,
): Promise<Result> {
  const mount = await mountImage(imagePath, access);
  let result: Result;
  try {
    result = await use(mount.rootPath);
  } catch (error) {
    await Promise.allSettled([mount.release()]);
    throw error;
  }
  await mount.release();
  return result;
}

export interface Mount {
  /** Of its root directory, for this process. No open file may outlive the mount. */
  readonly rootPath: string;
  /** In its own mount namespace, which is that of the process `pid`: for `nsenter`. */
  readonly mountPoint: string;
  readonly pid: number;
  release(): Promise<void>;
}

async function mountImage(imagePath: string, access: MountAccess): Promise<Mount> {
  // noload: an image fresh from the writer has nothing to replay, and must be readable without.
  const options = { "read-only": "loop,ro,noload", "read-write": "loop,rw", erofs: "loop,ro" }[
    access
  ];
  const type = access === "erofs" ? "erofs" : "ext4";
  return holdMount({ type, options, source: imagePath });
}

/** Mounts whatever mount(8) takes, until it is released. Takes root. @throws Error when the kernel refuses it */
export async function holdMount(what: {
  readonly type: string;
  readonly options: string;
  readonly source: string;
}): Promise<Mount> {
  const mountPoint = mkdtempSync(join(tmpdir(), "rootlift-mount-"));
  const namespace = ["--mount", "--propagation", "private"];
  const holder = ["sh", "-c", HOLDER, "sh", what.options, what.source, mountPoint, what.type];
  const child = spawn("unshare", [...namespace, ...holder], { stdio: "pipe" });
  const said = text(child.stderr);
  const ended = new Promise<number | null>((settle) => {
    child.on("error", () => settle(null));
    child.on("close", settle);
  });
  const release = async (): Promise<void> => {
    child.stdin.end();
    const exitCode = await ended;
    rmdirSync(mountPoint);
    if (exitCode !== 0) throw new Error(`the mount of ${what.source} failed: ${await said}`);
  };
  if ((await firstLine(child.stdout)) !== "mounted") await release();
  const pid = child.pid ?? 0;
  return { rootPath: `/proc/${pid}/root${mountPoint}`, mountPoint, pid, release };
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string | undefined> {
  for await (const line of createInterface({ input: stream })) return line;
  return undefined;
}
