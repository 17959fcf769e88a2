import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type BigIntStats,
} from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";

/** What one name of a directory on the disk shows, and one of a tree should. Text is latin1. */
export interface ListedName {
  readonly path: string;
  readonly type: string;
  /** Octal; of a symlink, none. */
  readonly mode?: string;
  readonly owner: string;
  readonly mtimeNs: bigint;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly device?: string;
  /** The first path of its inode, in the order of bytes, when it has several names. */
  readonly sharedWith?: string;
  readonly xattrs: Readonly<Record<string, string>>;
}

const READ_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Lists a directory by descriptors, so that any depth and any name is read and no link followed; sorted by path. */
export function readDirectory(path: string): ListedName[] {
  const found: { path: string; stats: BigIntStats; row: Omit<ListedName, "sharedWith"> }[] = [];
  function visit(parentFd: number, name: Buffer, shown: string): void {
    const full = Buffer.concat([Buffer.from(`/proc/self/fd/${parentFd}/`), name]);
    const stats = lstatSync(full, { bigint: true });
    found.push({ path: shown, stats, row: rowOf(full, shown, stats) });
    if (!stats.isDirectory()) return;
    const fd = openSync(full, READ_DIRECTORY);
    try {
      for (const child of readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
        visit(fd, child, `${shown === "" ? "" : `${shown}/`}${child.toString("latin1")}`);
      }
    } finally {
      closeSync(fd);
    }
  }
  const top = openSync(path, READ_DIRECTORY);
  try {
    visit(top, Buffer.from("."), "");
  } finally {
    closeSync(top);
  }
  const firsts = new Map<bigint, string>();
  return found
    .toSorted((a, b) => compareBytes(a.path, b.path))
    .map(({ path: shown, stats, row }) => {
      if (stats.isDirectory() || stats.nlink === 1n) return row;
      const sharedWith = firsts.get(stats.ino) ?? shown;
      firsts.set(stats.ino, sharedWith);
      return Object.assign(row, { sharedWith });
    });
}

function rowOf(full: Buffer, path: string, stats: BigIntStats): Omit<ListedName, "sharedWith"> {
  const row = {
    path,
    owner: `${stats.uid}:${stats.gid}`,
    mtimeNs: stats.mtimeNs,
    xattrs: xattrsOf(full),
  };
  const mode = (Number(stats.mode) & 0o7777).toString(8);
  if (stats.isDirectory()) return { ...row, type: "directory", mode };
  if (stats.isSymbolicLink()) {
    return { ...row, type: "symlink", target: readlinkSync(full, "latin1") };
  }
  if (stats.isFIFO()) return { ...row, type: "fifo", mode };
  const device = `${(stats.rdev >> 8n) & 0xfffn}:${(stats.rdev & 0xffn) | ((stats.rdev >> 12n) & 0xfff00n)}`;
  if (stats.isCharacterDevice()) return { ...row, type: "character", mode, device };
  if (stats.isBlockDevice()) return { ...row, type: "block", mode, device };
  const content = readFileSync(full);
  return { ...row, type: "file", mode, size: content.length, sha256: sha256Of(content) };
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
const libc = koffi.load(null);
const listXattrs = libc.func("llistxattr", "int64", ["void *", "void *", "size_t"]);
const getXattr = libc.func("lgetxattr", "int64", ["void *", "void *", "void *", "size_t"]);

const names = Buffer.alloc(1 << 16);
const value = Buffer.alloc(1 << 16);

function xattrsOf(path: Buffer): Record<string, string> {
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  const length = Number(listXattrs(terminated, names, names.length));
  const found: [string, string][] = [];
  for (let at = 0; at < length;) {
    const end = names.indexOf(0, at);
    const size = Number(getXattr(terminated, names.subarray(at, end + 1), value, value.length));
    found.push([names.toString("latin1", at, end), value.toString("hex", 0, Math.max(size, 0))]);
    at = end + 1;
  }
  return Object.fromEntries(found.toSorted(([a], [b]) => compareBytes(a, b)));
}

const setXattr = libc.func("lsetxattr", "int", ["void *", "void *", "void *", "size_t", "int"]);

/** Sets an attribute that Node has no call for. */
export function setRawXattr(path: string, name: string, bytes: Uint8Array): void {
  const [pathBytes, nameBytes] = [Buffer.from(`${path}\0`), Buffer.from(`${name}\0`)];
  const result: unknown = setXattr(pathBytes, nameBytes, bytes, bytes.length, 0);
  if (result !== 0) throw new Error(`cannot set ${name} on ${path}: errno ${koffi.errno()}`);
}
