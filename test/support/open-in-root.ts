import { closeSync, constants, openSync, readlinkSync, realpathSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { errno, load } from "koffi";

/** The same on every architecture. */
const SYS_OPENAT2 = 437;
const O_PATH = 0o10000000;
const RESOLVE_IN_ROOT = 0x10;

const syscall = load("libc.so.6").func(
  "long syscall(long number, int dirfd, const uint8_t *path, const uint8_t *how, size_t size)",
);

/**
 * What the kernel makes of a path in a root, links at the end followed (`openat2` with RESOLVE_IN_ROOT): the path without
 * links, or the name of the error.
 */
export function openInRoot(root: string, path: Uint8Array): Buffer | { readonly errno: string } {
  const rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const how = Buffer.alloc(24);
    how.writeBigUInt64LE(BigInt(O_PATH), 0);
    how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT), 16);
    const cPath = Buffer.concat([path, Buffer.alloc(1)]);
    const fd = Number(syscall(SYS_OPENAT2, rootFd, cPath, how, how.length));
    if (fd < 0) return { errno: getSystemErrorName(-errno()) };
    const found = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" });
    closeSync(fd);
    const inside = found.subarray(Buffer.byteLength(realpathSync(root)));
    return inside.length === 0 ? Buffer.from("/") : inside;
  } finally {
    closeSync(rootFd);
  }
}
