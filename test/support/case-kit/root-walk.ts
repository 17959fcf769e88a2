import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type BigIntStats,
} from "node:fs";
import { load } from "koffi";

/** What a name of a root filesystem shows, whoever looks at it. */
export interface SeenObject {
  readonly kind: ObjectKind;
  readonly stat: Pick<
    BigIntStats,
    "dev" | "ino" | "mode" | "uid" | "gid" | "mtimeNs" | "size" | "nlink" | "rdev"
  >;
  /** A symlink's target, else empty. */
  readonly target: Buffer;
  /** Lower-case hex of a file's contents, else empty. */
  readonly sha256: string;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}
/** What lies under a root directory, looked at without ever following a symlink. */
export interface FoundObject extends SeenObject {
  readonly stat: BigIntStats;
}
export type ObjectKind = "file" | "dir" | "symlink" | "char" | "block" | "fifo" | "socket";

/** Reused: a buffer an object would cost more than looking at it. */
const chunk = Buffer.alloc(2 ** 20);
const xattrNames = Buffer.alloc(65_536);
const xattrValue = Buffer.alloc(65_536);

const libc = load("libc.so.6");
const llistxattr = libc.func("long llistxattr(const uint8_t *path, uint8_t *list, size_t size)");
const lgetxattr = libc.func(
  "long lgetxattr(const uint8_t *path, const uint8_t *name, uint8_t *value, size_t size)",
);

/** Every object by its path (its bytes as latin1, so that any name is a key of its own); the root is `.`. */
export function walkRoot(rootPath: string): ReadonlyMap<string, FoundObject> {
  const found = new Map<string, FoundObject>();
  found.set(".", lookAt(Buffer.from(rootPath)));
  walkDirectory(Buffer.from(rootPath), "", found);
  return found;
}

/** Works through open directories, so that a tree deeper than PATH_MAX is walked too. */
function walkDirectory(path: Buffer, prefix: string, found: Map<string, FoundObject>): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    for (const name of readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
      const access = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
      const relative = prefix + name.toString("latin1");
      const object = lookAt(access);
      found.set(relative, object);
      if (object.kind === "dir") walkDirectory(access, `${relative}/`, found);
    }
  } finally {
    closeSync(fd);
  }
}

function lookAt(path: Buffer): FoundObject {
  const stat = lstatSync(path, { bigint: true });
  const kind = kindOf(stat);
  return {
    kind,
    stat,
    target: kind === "symlink" ? readlinkSync(path, { encoding: "buffer" }) : Buffer.alloc(0),
    sha256: kind === "file" ? fileSha256(path) : "",
    xattrs: xattrsOf(path),
  };
}

function kindOf(stat: BigIntStats): ObjectKind {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "dir";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFIFO() ? "fifo" : "socket";
}

function fileSha256(path: Buffer): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const hash = createHash("sha256");
  try {
    for (let length = 1; length > 0;) {
      length = readSync(fd, chunk);
      hash.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

function xattrsOf(path: Buffer): ReadonlyMap<string, Buffer> {
  const cPath = Buffer.concat([path, Buffer.alloc(1)]);
  const length = Number(llistxattr(cPath, xattrNames, xattrNames.length));
  const xattrs = new Map<string, Buffer>();
  if (length <= 0) return xattrs;
  for (const name of xattrNames.subarray(0, length).toString("latin1").split("\0")) {
    if (name === "") continue;
    const cName = Buffer.from(`${name}\0`, "latin1");
    const size = Number(lgetxattr(cPath, cName, xattrValue, xattrValue.length));
    if (size >= 0) xattrs.set(name, Buffer.from(xattrValue.subarray(0, size)));
  }
  return xattrs;
}
