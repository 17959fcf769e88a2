import { posix } from "node:path";
import { descriptorArgument, stringArgument, type TracedCall } from "./trace-lines.ts";

/** One path that a system call named. */
export interface Touch {
  readonly call: TracedCall;
  /** Absolute, without `.` and `..`, its bytes as latin1. */
  readonly path: string;
  /** Where the name was looked up: an open directory, or the working directory (also for absolute names). */
  readonly via: "descriptor" | "working-directory";
  /** The name as it was given. */
  readonly name: string;
  readonly writes: boolean;
  /** A symlink in the last place would be followed. */
  readonly follows: boolean;
}

/** Which arguments of a call are paths, and what it does with them. */
interface PathArgument {
  /** The argument with the directory's descriptor; undefined: the working directory. */
  readonly directory?: number;
  readonly path: number;
  readonly writes: boolean | "by-flags";
  /** A word in the arguments that decides, or always the same. */
  readonly follows: boolean | "unless-nofollow" | "unless-created";
}

const READS = { writes: false, follows: true } as const;
const WRITES_NAME = { writes: true, follows: false } as const;
const WRITES_OBJECT = { writes: true, follows: true } as const;
const OPENS = { writes: "by-flags", follows: "unless-created" } as const;

/** Every call of strace's class %file that this may make; one that is not here is an error of the check. */
const PATH_CALLS: Readonly<Record<string, readonly PathArgument[]>> = {
  access: [{ path: 0, ...READS }],
  chdir: [{ path: 0, ...READS }],
  chmod: [{ path: 0, ...WRITES_OBJECT }],
  chown: [{ path: 0, ...WRITES_OBJECT }],
  creat: [{ path: 0, ...WRITES_OBJECT }],
  execve: [{ path: 0, ...READS }],
  faccessat: [{ directory: 0, path: 1, ...READS }],
  faccessat2: [{ directory: 0, path: 1, writes: false, follows: "unless-nofollow" }],
  fchmodat: [{ directory: 0, path: 1, ...WRITES_OBJECT }],
  fchownat: [{ directory: 0, path: 1, writes: true, follows: "unless-nofollow" }],
  getcwd: [],
  getxattr: [{ path: 0, ...READS }],
  inotify_add_watch: [{ path: 1, ...READS }],
  lchown: [{ path: 0, ...WRITES_NAME }],
  lgetxattr: [{ path: 0, writes: false, follows: false }],
  link: [
    { path: 0, ...WRITES_NAME },
    { path: 1, ...WRITES_NAME },
  ],
  linkat: [
    { directory: 0, path: 1, ...WRITES_NAME },
    { directory: 2, path: 3, ...WRITES_NAME },
  ],
  listxattr: [{ path: 0, ...READS }],
  llistxattr: [{ path: 0, writes: false, follows: false }],
  lremovexattr: [{ path: 0, ...WRITES_NAME }],
  lsetxattr: [{ path: 0, ...WRITES_NAME }],
  lstat: [{ path: 0, writes: false, follows: false }],
  mkdir: [{ path: 0, ...WRITES_NAME }],
  mkdirat: [{ directory: 0, path: 1, ...WRITES_NAME }],
  mknod: [{ path: 0, ...WRITES_NAME }],
  mknodat: [{ directory: 0, path: 1, ...WRITES_NAME }],
  newfstatat: [{ directory: 0, path: 1, writes: false, follows: "unless-nofollow" }],
  open: [{ path: 0, ...OPENS }],
  openat: [{ directory: 0, path: 1, ...OPENS }],
  readlink: [{ path: 0, writes: false, follows: false }],
  readlinkat: [{ directory: 0, path: 1, writes: false, follows: false }],
  removexattr: [{ path: 0, ...WRITES_OBJECT }],
  rename: [
    { path: 0, ...WRITES_NAME },
    { path: 1, ...WRITES_NAME },
  ],
  renameat: [
    { directory: 0, path: 1, ...WRITES_NAME },
    { directory: 2, path: 3, ...WRITES_NAME },
  ],
  renameat2: [
    { directory: 0, path: 1, ...WRITES_NAME },
    { directory: 2, path: 3, ...WRITES_NAME },
  ],
  rmdir: [{ path: 0, ...WRITES_NAME }],
  setxattr: [{ path: 0, ...WRITES_OBJECT }],
  stat: [{ path: 0, ...READS }],
  statfs: [{ path: 0, ...READS }],
  statx: [{ directory: 0, path: 1, writes: false, follows: "unless-nofollow" }],
  // What a symlink says is data: only its own name is touched.
  symlink: [{ path: 1, ...WRITES_NAME }],
  symlinkat: [{ directory: 1, path: 2, ...WRITES_NAME }],
  truncate: [{ path: 0, ...WRITES_OBJECT }],
  unlink: [{ path: 0, ...WRITES_NAME }],
  unlinkat: [{ directory: 0, path: 1, ...WRITES_NAME }],
  utimensat: [{ directory: 0, path: 1, writes: true, follows: "unless-nofollow" }],
};
const WRITE_FLAGS = /\b(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE)\b/;

/**
 * Every path that the calls of one process name. Descriptors are followed through the trace, because strace cannot say the
 * path of one that lies deeper than PATH_MAX.
 * @throws Error for a call that may touch a path in a way that this does not know
 */
export function touchesOf(calls: readonly TracedCall[]): readonly Touch[] {
  const descriptors = new Map<number, string>();
  const touches: Touch[] = [];
  for (const call of calls) {
    const known = PATH_CALLS[call.name];
    if (known === undefined) touches.push(...otherTouches(call));
    else touches.push(...known.flatMap((argument) => touchOf(call, argument, descriptors)));
    if (call.name !== "open" && call.name !== "openat") continue;
    const opened = descriptorArgument(call.result);
    const named = touches.at(-1);
    if (opened === undefined || named?.call !== call) continue;
    const path = opened.path ?? named.path;
    descriptors.set(opened.fd, path);
    // The kernel's own word for what was opened: where links led.
    if (path !== named.path) touches.push({ ...named, path, follows: false });
  }
  return touches;
}

function touchOf(
  call: TracedCall,
  argument: PathArgument,
  descriptors: ReadonlyMap<number, string>,
): readonly Touch[] {
  const given = call.args[argument.path];
  const directory =
    argument.directory === undefined
      ? undefined
      : descriptorArgument(call.args[argument.directory]);
  const name = stringArgument(given) ?? (given === "NULL" ? "" : undefined);
  if (name === undefined) throw new Error(`no path in ${call.line}`);
  const base = directory?.path ?? descriptors.get(directory?.fd ?? -1);
  // An empty name is the descriptor itself: it was judged when it was opened.
  if (name === "" && directory !== undefined && directory.fd >= 0) return [];
  const viaHandle = /^\/proc\/self\/fd\/(\d+)(\/.*)?$/s.exec(name);
  const handle = descriptors.get(Number(viaHandle?.[1]));
  if (viaHandle !== null && handle !== undefined) {
    // With nothing behind it, that is the open file and no name.
    if (viaHandle[2] === undefined) return [];
    const below = viaHandle[2].replace(/^\//, "");
    return [
      { ...touch(call, argument, posix.join(handle, below)), via: "descriptor", name: below },
    ];
  }
  if (name.startsWith("/")) return [{ ...touch(call, argument, name), name }];
  const cwd = directory === undefined || directory.fd < 0;
  const from = base ?? (cwd ? process.cwd() : undefined);
  if (from === undefined) throw new Error(`a descriptor that nobody opened: ${call.line}`);
  const made = touch(call, argument, posix.join(from, name));
  return [{ ...made, via: cwd ? "working-directory" : "descriptor", name }];
}

function touch(call: TracedCall, argument: PathArgument, path: string): Omit<Touch, "name"> {
  const flags = call.args.slice(argument.path + 1).join(" ");
  const nofollow = /NOFOLLOW\b/.test(flags);
  const follows = {
    "unless-nofollow": !nofollow,
    "unless-created": !nofollow && !(flags.includes("O_CREAT") && flags.includes("O_EXCL")),
  };
  return {
    call,
    path: posix.normalize(path),
    via: "working-directory",
    writes: argument.writes === "by-flags" ? WRITE_FLAGS.test(flags) : argument.writes,
    follows: typeof argument.follows === "boolean" ? argument.follows : follows[argument.follows],
  };
}

/** Sockets with a path, and what must not happen at all. */
function otherTouches(call: TracedCall): readonly Touch[] {
  if (call.name === "connect" || call.name === "bind") {
    const path = /sun_path=("(?:[^"\\]|\\.)*")/.exec(call.line)?.[1];
    if (path === undefined) return [];
    const name = stringArgument(path) ?? "";
    return [{ call, path: name, via: "working-directory", name, writes: true, follows: true }];
  }
  // The kernel was told to have none: what goes through a ring, no trace shows.
  if (call.name === "io_uring_setup" && call.result.startsWith("-1")) return [];
  throw new Error(`a call that the check does not know: ${call.line}`);
}
