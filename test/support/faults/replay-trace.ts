import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { descriptorArgument, stringArgument, type TracedCall } from "../strace/trace-lines.ts";
import {
  applied,
  DiskModel,
  EMPTY,
  type Attribute,
  type DataChange,
  type DiskNode,
} from "./disk-model.ts";

interface OpenFile {
  readonly node: DiskNode;
  position: number;
}

/**
 * Does to a model what the calls of a trace (`strace -f -y`, with whole strings) did to a directory. Calls about anything
 * else are passed over; a call that changes the directory in a way that is not modelled is an error.
 */
export class TraceReplay {
  readonly model: DiskModel = new DiskModel();
  readonly #rootPath: string;
  readonly #open = new Map<number, OpenFile>();

  /** @param rootPath a directory as it is before the first call; all that is in it counts as durable */
  constructor(rootPath: string) {
    this.#rootPath = rootPath;
    this.#load(rootPath, this.model.root);
    this.model.syncAll();
  }

  /** @returns whether the disk may be another one now */
  apply(call: TracedCall): boolean {
    const { name, args, result } = call;
    if (result.startsWith("-1") || result.startsWith("?")) return false;
    if (name === "openat" || name === "open") return this.#opened(call);
    if (/^(?:mkdir|mknod|symlink|unlink|rmdir|rename|link)/.test(name)) return this.#named(call);
    const file = this.#fileOf(call);
    if (file === undefined) return false;
    switch (name) {
      case "write":
      case "pwrite64":
        return this.#written(file, call);
      case "ftruncate":
        return this.#changed(file.node, { kind: "size", size: Number(args[1]) });
      case "fallocate":
        return this.#allocated(file.node, args);
      case "fsync":
      case "fdatasync":
        this.model.sync(file.node);
        return true;
      case "syncfs":
        this.model.syncAll();
        return true;
      default: {
        const attribute = attributeOf(name, args);
        if (attribute === undefined) throw new Error(`not modelled: ${call.line.slice(0, 300)}`);
        return this.#changed(file.node, { kind: "attribute", attribute });
      }
    }
  }

  /** The node that a path leads to. */
  nodeAt(path: string): DiskNode | undefined {
    return this.#find(path)?.node;
  }

  /** Where a directory is, below the root. */
  pathOf(node: DiskNode): string {
    const { parent } = node;
    if (parent === undefined) return "";
    const name = [...parent.names].find(([, child]) => child === node)?.[0] ?? "(removed)";
    return join(this.pathOf(parent), name);
  }

  #load(path: string, directory: DiskNode): void {
    for (const name of readdirSync(path)) {
      const below = join(path, name);
      const status = lstatSync(below);
      const attributes: Attribute[] = [
        { kind: "owner", uid: status.uid, gid: status.gid },
        { kind: "mode", mode: status.mode & 0o7777 },
        { kind: "mtime", seconds: Math.floor(status.mtimeMs / 1000) },
      ];
      const kind = status.isDirectory()
        ? "dir"
        : status.isSymbolicLink()
          ? "symlink"
          : status.isFile()
            ? "file"
            : status.isFIFO()
              ? "fifo"
              : undefined;
      if (kind === undefined) throw new Error(`not modelled: ${below}`);
      const target = kind === "symlink" ? readlinkSync(below) : "";
      const node = this.model.makeNode(kind, attributes, target);
      if (kind === "file") node.durable = { ...contentsOf(readFileSync(below)), attributes };
      this.model.changeNames({ directory, name, node });
      if (kind === "dir") this.#load(below, node);
    }
  }

  #opened({ args, result, name }: TracedCall): boolean {
    const opened = descriptorArgument(result);
    if (opened === undefined) return false;
    this.#open.delete(opened.fd);
    const [path, flags = "", mode] =
      name === "open" ? args : [this.#pathOf(args[0], args[1]), args[2], args[3]];
    const place = this.#find(name === "open" ? nameOf(path) : path);
    if (place === undefined) return false;
    let { node } = place;
    const isNew = node === undefined;
    if (node === undefined) {
      if (!flags.includes("O_CREAT") || place.directory === undefined) return false;
      node = this.model.makeNode("file", [
        { kind: "mode", mode: Number.parseInt(mode ?? "600", 8) },
      ]);
      this.model.changeNames({ directory: place.directory, name: place.name, node });
    } else if (flags.includes("O_TRUNC")) {
      node.pending.push({ kind: "size", size: 0 });
    }
    this.#open.set(opened.fd, { node, position: 0 });
    return isNew || flags.includes("O_TRUNC");
  }

  #named(call: TracedCall): boolean {
    const { name, args } = call;
    const at = name.endsWith("at") || name.endsWith("at2");
    const given = (index: number): string | undefined =>
      at ? this.#pathOf(args[2 * index], args[2 * index + 1]) : nameOf(args[index]);
    if (name.startsWith("rename") || name.startsWith("link")) {
      const [from, to] = [this.#find(given(0)), this.#find(given(1))];
      if (from?.directory === undefined && to?.directory === undefined) return false;
      if (from?.node === undefined || from.directory === undefined || to?.directory === undefined) {
        throw new Error(`not modelled: ${call.line}`);
      }
      const gone = { directory: from.directory, name: from.name, node: undefined };
      const made = { directory: to.directory, name: to.name, node: from.node };
      this.model.changeNames(...(name.startsWith("rename") ? [gone, made] : [made]));
      return true;
    }
    const isLink = name.startsWith("symlink");
    const path = isLink ? (at ? this.#pathOf(args[1], args[2]) : nameOf(args[1])) : given(0);
    const place = this.#find(path);
    if (place?.directory === undefined) return false;
    const { directory, name: last } = place;
    if (name.startsWith("unlink") || name === "rmdir") {
      this.model.changeNames({ directory, name: last, node: undefined });
      return true;
    }
    const mode = /^(?:S_IFIFO\|)?0(\d+)$/.exec(args[at ? 2 : 1] ?? "")?.[1] ?? "";
    const attributes: Attribute[] = isLink
      ? []
      : [{ kind: "mode", mode: Number.parseInt(mode, 8) }];
    const kind = isLink ? "symlink" : name.startsWith("mkdir") ? "dir" : "fifo";
    if (kind === "fifo" && !call.line.includes("S_IFIFO"))
      throw new Error(`not modelled: ${call.line}`);
    const node = this.model.makeNode(kind, attributes, isLink ? (nameOf(args[0]) ?? "") : "");
    this.model.changeNames({ directory, name: last, node });
    return true;
  }

  #written(file: OpenFile, { name, args, result, line }: TracedCall): boolean {
    const bytes = Buffer.from(stringArgument(args[1]) ?? "", "latin1");
    const length = Number(result);
    if (bytes.length < length) throw new Error(`not all that was written: ${line.slice(0, 200)}`);
    const position = name === "write" ? file.position : Number(args[3]);
    if (name === "write") file.position += length;
    return this.#changed(file.node, {
      kind: "write",
      at: position,
      bytes: bytes.subarray(0, length),
    });
  }

  #allocated(node: DiskNode, [, mode = "", at, length]: readonly string[]): boolean {
    if (!mode.includes("PUNCH_HOLE") && !mode.includes("ZERO_RANGE")) {
      throw new Error(`not modelled: fallocate ${mode}`);
    }
    return this.#changed(node, { kind: "zero", at: Number(at), length: Number(length) });
  }

  #changed(node: DiskNode, change: DataChange): boolean {
    node.pending.push(change);
    return true;
  }

  /** What a call that is not about a name works on: its first argument is a descriptor, or a path. */
  #fileOf({ name, args }: TracedCall): OpenFile | undefined {
    if (name === "utimensat" || name === "fchownat" || name.startsWith("fchmodat")) {
      const descriptor = descriptorArgument(args[0]);
      if (args[1] === "NULL" || args[1] === '""') return this.#open.get(descriptor?.fd ?? -1);
      const node = this.#find(this.#pathOf(args[0], args[1]))?.node;
      return node === undefined ? undefined : { node, position: 0 };
    }
    const descriptor = descriptorArgument(args[0]);
    if (descriptor !== undefined) {
      const isOurs = descriptor.path?.startsWith(`${this.#rootPath}/`) ?? false;
      const isRoot = descriptor.path === this.#rootPath;
      return isOurs || isRoot ? this.#open.get(descriptor.fd) : undefined;
    }
    const node = this.#find(nameOf(args[0]))?.node;
    return node === undefined ? undefined : { node, position: 0 };
  }

  /** A name that is looked up in a directory; absolute, or `fd:N/…`. */
  #pathOf(directory: string | undefined, argument: string | undefined): string | undefined {
    const name = nameOf(argument);
    if (name === undefined || name.startsWith("/")) return name;
    const { fd = -1, path } = descriptorArgument(directory) ?? {};
    return fd >= 0
      ? `/proc/self/fd/${fd}/${name}`
      : path === undefined
        ? undefined
        : join(path, name);
  }

  /** Where a path leads; undefined when that is not in the root. */
  #find(path: string | undefined):
    | {
        readonly directory: DiskNode | undefined;
        readonly name: string;
        readonly node: DiskNode | undefined;
      }
    | undefined {
    if (path === undefined) return undefined;
    const viaDescriptor = /^\/proc\/self\/fd\/(\d+)(\/.*)?$/.exec(path);
    const start =
      viaDescriptor === null ? this.model.root : this.#open.get(Number(viaDescriptor[1]))?.node;
    if (start === undefined) return undefined;
    if (
      viaDescriptor === null &&
      path !== this.#rootPath &&
      !path.startsWith(`${this.#rootPath}/`)
    ) {
      return undefined;
    }
    const rest =
      viaDescriptor === null ? path.slice(this.#rootPath.length) : (viaDescriptor[2] ?? "");
    let found: { directory: DiskNode | undefined; name: string; node: DiskNode | undefined } = {
      directory: undefined,
      name: "",
      node: start,
    };
    for (const name of rest.split("/").filter((part) => part !== "" && part !== ".")) {
      const directory = found.node;
      if (directory?.kind !== "dir") return undefined;
      const node = name === ".." ? directory.parent : directory.names.get(name);
      found = { directory, name, node };
    }
    return found;
  }
}

function nameOf(argument: string | undefined): string | undefined {
  return stringArgument(argument);
}

function contentsOf(bytes: Buffer): typeof EMPTY {
  return applied(EMPTY, [{ kind: "write", at: 0, bytes }]);
}

function attributeOf(name: string, args: readonly string[]): Attribute | undefined {
  const first = name.endsWith("at") ? 2 : 1;
  if (/chmod/.test(name)) return { kind: "mode", mode: Number.parseInt(args[first] ?? "", 8) };
  if (/chown/.test(name)) {
    return { kind: "owner", uid: Number(args[first]), gid: Number(args[first + 1]) };
  }
  if (name === "utimensat") {
    const seconds = [...(args[2] ?? "").matchAll(/tv_sec=(-?\d+)/g)].at(-1)?.[1];
    return { kind: "mtime", seconds: Number(seconds) };
  }
  const xattr = nameOf(args[1]) ?? "";
  if (/removexattr/.test(name)) return { kind: "xattr", name: xattr, value: undefined };
  if (/setxattr/.test(name)) return { kind: "xattr", name: xattr, value: nameOf(args[2]) ?? "" };
  return undefined;
}
