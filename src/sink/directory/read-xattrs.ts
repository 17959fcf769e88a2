import { existsSync } from "node:fs";
import { isImageXattr } from "../../rootfs/image-xattr.ts";
import type { Xattr } from "../../rootfs/rootfs-tree.ts";
import { errnoOf } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import { getXattrAt, listXattrsAt } from "../posix.ts";

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux. */
const MOST_BYTES = 65_536;
const NONE_THERE = new Set(["ENOTSUP", "EOPNOTSUPP"]);
const GONE = "ENODATA";

/** Reads the extended attributes that belong to an image. One a thread; it has scratch memory. */
export class XattrReader {
  readonly #names = Buffer.alloc(MOST_BYTES);
  readonly #value = Buffer.alloc(MOST_BYTES);
  readonly #name = new PathBuffer();
  readonly #labelled = existsSync("/sys/fs/selinux/enforce");

  /** Of whatever bears the name in the directory; copies. */
  read(dirFd: number, path: PathBuffer): readonly Xattr[] {
    const length = this.#listLength(dirFd, path);
    if (length === 0) return [];
    const names: Buffer[] = [];
    for (let at = 0; at < length;) {
      const end = this.#names.indexOf(0, at);
      const name = this.#names.subarray(at, end);
      if (this.#isOfImage(name.toString("latin1"))) names.push(Buffer.from(name));
      at = end + 1;
    }
    return names.flatMap((name) => {
      const value = this.#valueOf(dirFd, path, name);
      return value === undefined ? [] : [{ name, value }];
    });
  }

  #listLength(dirFd: number, path: PathBuffer): number {
    try {
      return listXattrsAt(dirFd, path, this.#names);
    } catch (error) {
      if (NONE_THERE.has(errnoOf(error) ?? "")) return 0;
      throw error;
    }
  }

  #valueOf(dirFd: number, path: PathBuffer, name: Buffer): Buffer | undefined {
    try {
      const target = { name: this.#name.set(name), value: this.#value };
      return Buffer.from(this.#value.subarray(0, getXattrAt(dirFd, path, target)));
    } catch (error) {
      if (errnoOf(error) === GONE) return undefined;
      throw error;
    }
  }

  /** Where SELinux runs, every file has a label of the machine's policy. */
  #isOfImage(name: string): boolean {
    return isImageXattr(name) && !(this.#labelled && name === "security.selinux");
  }
}
