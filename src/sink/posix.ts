import { createRequire } from "node:module";
import { constants as fsConstants } from "node:fs";
import { constants as osConstants, endianness } from "node:os";
import type { LibraryHandle } from "koffi";
import type { PathBuffer } from "./path-buffer.ts";

/*
 * System calls that Node lacks: names relative to an open directory, exact times, device nodes, extended attributes.
 * Everything is synchronous and throws a `PosixError`. Only file descriptors and single components or short relative
 * paths go in, so that neither PATH_MAX nor a symlink planted above can matter.
 *
 * A call costs about 0.2 µs on top of the kernel's share; buffers go in by address, without a copy.
 */

/** A failed system call. `code` is the errno's name, as Node's own errors have it. */
export class PosixError extends Error {
  override readonly name = "PosixError";
  readonly code: string;
  readonly syscall: string;

  constructor(errno: number, syscall: string) {
    const code = ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
    super(`${syscall}: ${code}`);
    this.code = code;
    this.syscall = syscall;
  }
}

/** Flags of `openAt` beside those of `node:fs`; the same number on every Linux that `posixAvailable` accepts. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = fsConstants;
/** A file that does not block: a fifo put in its place meanwhile does not hold anybody up. */
export const OPEN_FILE: number = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
/** A directory and nothing else; a symlink of that name is an error. */
export const OPEN_DIRECTORY: number = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
/** A handle on whatever bears the name, without opening it: a device or a fifo does not notice. */
export const OPEN_HANDLE: number = O_PATH | O_NOFOLLOW | O_CLOEXEC;
/** The same for a directory: enough to name what is in it. */
export const OPEN_DIRECTORY_HANDLE: number = OPEN_HANDLE | O_DIRECTORY;
/** A file that did not exist. */
export const OPEN_NEW_FILE: number = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** Two `struct timespec` (access, modification), as `file-times.ts` fills them. */
export type TimesBuffer = Int32Array;

/** A call of the C library; below 0, errno tells why. */
type Call<Parameters extends readonly (number | Uint8Array | TimesBuffer)[]> = (
  ...parameters: Parameters
) => number;
type Bytes = Uint8Array;

interface Libc {
  readonly openat: Call<[dirFd: number, path: Bytes, flags: number, mode: number]>;
  readonly close: Call<[fd: number]>;
  readonly pwrite: Call<[fd: number, bytes: Bytes, length: number, offset: number]>;
  readonly ftruncate: Call<[fd: number, size: number]>;
  readonly mkdirat: Call<[dirFd: number, path: Bytes, mode: number]>;
  readonly symlinkat: Call<[target: Bytes, dirFd: number, path: Bytes]>;
  readonly unlinkat: Call<[dirFd: number, path: Bytes, flags: number]>;
  readonly renameat: Call<[fromFd: number, fromPath: Bytes, toFd: number, toPath: Bytes]>;
  readonly linkat: Call<
    [fromFd: number, fromPath: Bytes, toFd: number, toPath: Bytes, flags: number]
  >;
  readonly mknodat: Call<[dirFd: number, path: Bytes, mode: number, device: number]>;
  readonly fchown: Call<[fd: number, uid: number, gid: number]>;
  readonly fchownat: Call<[dirFd: number, path: Bytes, uid: number, gid: number, flags: number]>;
  readonly fchmod: Call<[fd: number, mode: number]>;
  readonly chmod: Call<[path: Bytes, mode: number]>;
  readonly futimens: Call<[fd: number, times: TimesBuffer]>;
  readonly utimensat: Call<[dirFd: number, path: Bytes, times: TimesBuffer, flags: number]>;
  readonly fsetxattr: Call<[fd: number, name: Bytes, value: Bytes, size: number, flags: number]>;
  readonly lsetxattr: Call<[path: Bytes, name: Bytes, value: Bytes, size: number, flags: number]>;
  readonly fremovexattr: Call<[fd: number, name: Bytes]>;
  readonly llistxattr: Call<[path: Bytes, names: Bytes, size: number]>;
  readonly lgetxattr: Call<[path: Bytes, name: Bytes, value: Bytes, size: number]>;
  readonly lseek: Call<[fd: number, offset: number, whence: number]>;
  readonly fallocate: Call<[fd: number, mode: number, offset: number, length: number]>;
  readonly syncfs: Call<[fd: number]>;
  readonly sync: () => void;
}

const ERRNO_NAMES = new Map<number, string>(
  Object.entries(osConstants.errno)
    .toReversed()
    .map(([name, errno]) => [errno, name]),
);

let loaded: { readonly libc: Libc; readonly errno: () => number } | undefined;

/** Loads koffi at the first call: importing rootlift has no side effects, and a disk image needs none of this. */
function load(): { readonly libc: Libc; readonly errno: () => number } {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  // The process' own symbols: Node is linked with the C library of the machine, glibc or musl.
  const library = koffi.load(null);
  const call = (name: string, parameters: string[], result = "int") =>
    library.func(name, result, parameters);
  const libc: Libc = {
    openat: call("openat", ["int", "void *", "int", "uint32"]),
    close: call("close", ["int"]),
    pwrite: call("pwrite", ["int", "void *", "size_t", "int64"], "int64"),
    ftruncate: call("ftruncate", ["int", "int64"]),
    mkdirat: call("mkdirat", ["int", "void *", "uint32"]),
    symlinkat: call("symlinkat", ["void *", "int", "void *"]),
    unlinkat: call("unlinkat", ["int", "void *", "int"]),
    renameat: call("renameat", ["int", "void *", "int", "void *"]),
    linkat: call("linkat", ["int", "void *", "int", "void *", "int"]),
    mknodat: loadMknodat(call),
    fchown: call("fchown", ["int", "uint32", "uint32"]),
    fchownat: call("fchownat", ["int", "void *", "uint32", "uint32", "int"]),
    fchmod: call("fchmod", ["int", "uint32"]),
    chmod: call("chmod", ["void *", "uint32"]),
    futimens: call("futimens", ["int", "void *"]),
    utimensat: call("utimensat", ["int", "void *", "void *", "int"]),
    fsetxattr: call("fsetxattr", ["int", "void *", "void *", "size_t", "int"]),
    lsetxattr: call("lsetxattr", ["void *", "void *", "void *", "size_t", "int"]),
    fremovexattr: call("fremovexattr", ["int", "void *"]),
    llistxattr: call("llistxattr", ["void *", "void *", "size_t"], "int64"),
    lgetxattr: call("lgetxattr", ["void *", "void *", "void *", "size_t"], "int64"),
    lseek: call("lseek", ["int", "int64", "int"], "int64"),
    fallocate: call("fallocate", ["int", "int", "int64", "int64"]),
    syncfs: call("syncfs", ["int"]),
    sync: call("sync", [], "void"),
  };
  return { libc, errno: () => koffi.errno() };
}

/** glibc before 2.33 had no `mknodat`: its header called `__xmknodat`, which takes a version and the device by address. */
function loadMknodat(
  call: (name: string, parameters: string[]) => ReturnType<LibraryHandle["func"]>,
): Libc["mknodat"] {
  try {
    return call("mknodat", ["int", "void *", "uint32", "uint64"]);
  } catch {
    const xmknodat = call("__xmknodat", ["int", "int", "void *", "uint32", "void *"]);
    return (dirFd, path, mode, device) =>
      Number(xmknodat(0, dirFd, path, mode, Uint32Array.of(device, 0)));
  }
}

function posix(): { readonly libc: Libc; readonly errno: () => number } {
  loaded ??= load();
  return loaded;
}

/** Whether the calls below can be made: a 64-bit Linux for which koffi has a binary. */
export function posixAvailable(): boolean {
  // The layouts of `timespec` and `off_t` that are written here are those of 64-bit little-endian Linux.
  const layoutKnown = ["x64", "arm64", "riscv64", "loong64"].includes(process.arch);
  if (process.platform !== "linux" || !layoutKnown || endianness() !== "LE") return false;
  try {
    posix();
    return true;
  } catch {
    return false;
  }
}

function check(result: number, syscall: string): void {
  if (result < 0) throw new PosixError(posix().errno(), syscall);
}

export function openAt(dirFd: number, path: PathBuffer, flags: number, mode = 0): number {
  const fd = posix().libc.openat(dirFd, path.bytes, flags, mode);
  check(fd, "openat");
  return fd;
}

export function closeFd(fd: number): void {
  check(posix().libc.close(fd), "close");
}

/** Writes all of `bytes` at `offset`. */
export function writeAt(fd: number, bytes: Uint8Array, offset: number): void {
  const { libc, errno } = posix();
  for (let done = 0; done < bytes.length;) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const written = libc.pwrite(fd, rest, rest.length, offset + done);
    if (written >= 0) done += written;
    else if (ERRNO_NAMES.get(errno()) !== "EINTR") throw new PosixError(errno(), "pwrite");
  }
}

export function truncateFd(fd: number, size: number): void {
  check(posix().libc.ftruncate(fd, size), "ftruncate");
}

/** These bytes read as zeros and take no room any more; the file keeps its length. @throws PosixError EOPNOTSUPP where the file system cannot */
export function punchHole(fd: number, offset: number, length: number): void {
  const { libc, errno } = posix();
  while (libc.fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length) < 0) {
    if (ERRNO_NAMES.get(errno()) !== "EINTR") throw new PosixError(errno(), "fallocate");
  }
}

export function makeDirectoryAt(dirFd: number, path: PathBuffer, mode: number): void {
  check(posix().libc.mkdirat(dirFd, path.bytes, mode), "mkdirat");
}

export function symlinkAt(target: PathBuffer, dirFd: number, path: PathBuffer): void {
  check(posix().libc.symlinkat(target.bytes, dirFd, path.bytes), "symlinkat");
}

export function unlinkAt(dirFd: number, path: PathBuffer): void {
  check(posix().libc.unlinkat(dirFd, path.bytes, 0), "unlinkat");
}

export function removeDirectoryAt(dirFd: number, path: PathBuffer): void {
  check(posix().libc.unlinkat(dirFd, path.bytes, AT_REMOVEDIR), "unlinkat");
}

export function renameAt(
  fromFd: number,
  fromPath: PathBuffer,
  toFd: number,
  toPath: PathBuffer,
): void {
  check(posix().libc.renameat(fromFd, fromPath.bytes, toFd, toPath.bytes), "renameat");
}

/** A further name of what `fromPath` names; of a symlink itself, not of its target. */
export function linkAt(
  fromFd: number,
  fromPath: PathBuffer,
  toFd: number,
  toPath: PathBuffer,
): void {
  check(posix().libc.linkat(fromFd, fromPath.bytes, toFd, toPath.bytes, 0), "linkat");
}

/** @param mode with the file type; @param device as `deviceNumber` makes it, 0 for a fifo */
export function makeNodeAt(dirFd: number, path: PathBuffer, mode: number, device: number): void {
  check(posix().libc.mknodat(dirFd, path.bytes, mode, device), "mknodat");
}

/** `makedev(3)` for what Linux holds: 12 bits of major, 20 of minor. Undefined when the numbers do not fit. */
export function deviceNumber(major: number, minor: number): number | undefined {
  if (major > 0xfff || minor > 0xfffff) return undefined;
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function chownFd(fd: number, uid: number, gid: number): void {
  check(posix().libc.fchown(fd, uid, gid), "fchown");
}

/** Of a symlink itself, not of its target. */
export function chownAt(dirFd: number, path: PathBuffer, uid: number, gid: number): void {
  check(posix().libc.fchownat(dirFd, path.bytes, uid, gid, AT_SYMLINK_NOFOLLOW), "fchownat");
}

export function chmodFd(fd: number, mode: number): void {
  check(posix().libc.fchmod(fd, mode), "fchmod");
}

/** Of an `OPEN_HANDLE`, which `fchmod` refuses: through /proc, where the handle cannot turn into a symlink. */
export function chmodHandle(handle: number, mode: number): void {
  const path = Buffer.from(`/proc/self/fd/${handle}\0`);
  check(posix().libc.chmod(path, mode), "chmod");
}

export function setTimesFd(fd: number, times: TimesBuffer): void {
  check(posix().libc.futimens(fd, times), "futimens");
}

/** Of a symlink itself, not of its target. */
export function setTimesAt(dirFd: number, path: PathBuffer, times: TimesBuffer): void {
  check(posix().libc.utimensat(dirFd, path.bytes, times, AT_SYMLINK_NOFOLLOW), "utimensat");
}

export function setXattrFd(fd: number, name: PathBuffer, value: Uint8Array): void {
  check(posix().libc.fsetxattr(fd, name.bytes, value, value.length, 0), "fsetxattr");
}

/** Of whatever bears the name, a symlink too: Linux before 6.13 has no `setxattrat`, so the directory goes in by /proc. */
export function setXattrAt(
  dirFd: number,
  path: PathBuffer,
  name: PathBuffer,
  value: Uint8Array,
): void {
  const whole = pathThrough(dirFd, path);
  check(posix().libc.lsetxattr(whole, name.bytes, value, value.length, 0), "lsetxattr");
}

function pathThrough(dirFd: number, path: PathBuffer): Uint8Array {
  const directory = Buffer.from(`/proc/self/fd/${dirFd}/`);
  return Buffer.concat([directory, path.bytes.subarray(0, path.length + 1)]);
}

/** The names of the attributes of whatever bears the name, each with a NUL, into `names`. @returns their length */
export function listXattrsAt(dirFd: number, path: PathBuffer, names: Uint8Array): number {
  const length = posix().libc.llistxattr(pathThrough(dirFd, path), names, names.length);
  check(length, "llistxattr");
  return length;
}

/** The value of one attribute, into `value`. @returns its length */
export function getXattrAt(
  dirFd: number,
  path: PathBuffer,
  { name, value }: { readonly name: PathBuffer; readonly value: Uint8Array },
): number {
  const { libc } = posix();
  const length = libc.lgetxattr(pathThrough(dirFd, path), name.bytes, value, value.length);
  check(length, "lgetxattr");
  return length;
}

/**
 * Where the next data of a file begins at or after `offset`, and where it ends; undefined when a hole reaches to the end.
 * File systems without holes say that all is data.
 */
export function nextDataFd(
  fd: number,
  offset: number,
): { readonly start: number; readonly end: number } | undefined {
  const { libc, errno } = posix();
  const start = libc.lseek(fd, offset, SEEK_DATA);
  if (start < 0 && ERRNO_NAMES.get(errno()) === "ENXIO") return undefined;
  check(start, "lseek");
  const end = libc.lseek(fd, start, SEEK_HOLE);
  check(end, "lseek");
  return { start, end };
}

export function removeXattrFd(fd: number, name: PathBuffer): void {
  check(posix().libc.fremovexattr(fd, name.bytes), "fremovexattr");
}

/** Flushes the file system that holds `fd`, other programs' data included; reports a write that failed since the last one (Linux 5.8). */
export function syncFileSystem(fd: number): void {
  const { libc, errno } = posix();
  if (libc.syncfs(fd) === 0) return;
  // A sandbox that filters system calls may lack syncfs; sync never fails, and does more.
  if (ERRNO_NAMES.get(errno()) === "ENOSYS") libc.sync();
  else throw new PosixError(errno(), "syncfs");
}
