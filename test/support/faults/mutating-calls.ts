/** System calls that change something on a disk. */
export const MUTATING_CALLS: readonly string[] = [
  ...["creat", "open", "openat", "openat2", "mkdir", "mkdirat", "mknod", "mknodat"],
  ...["rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"],
  ...["unlink", "unlinkat", "rmdir"],
  ...["write", "writev", "pwrite64", "pwritev", "pwritev2", "copy_file_range", "sendfile"],
  ...["truncate", "ftruncate", "fallocate"],
  ...["fsync", "fdatasync", "sync_file_range", "syncfs"],
  ...["chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"],
  ...["utimensat", "utimes", "futimesat", "utime"],
  ...["setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"],
];

const WRITES = /\b(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE)\b/;

/** Opening for reading changes nothing. */
export function mutates(name: string, args: readonly string[]): boolean {
  return name.startsWith("open") ? args.some((argument) => WRITES.test(argument)) : true;
}
