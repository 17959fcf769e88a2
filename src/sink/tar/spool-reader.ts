import { closeSync, openSync, readSync } from "node:fs";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { PIECE_BYTES, type ContentPiece, type TreeSource } from "../../rootfs/tree-reader.ts";
import { mostOpenFiles } from "../most-open-files.ts";
import type { BodyRef } from "../sink.ts";
import { isMapped, NUMBER_BYTES, spoolOffsetOf, spoolPath, spoolPlanOf } from "./spool-body.ts";

/** The merged tree with the contents that `SpoolPlacer`s have set aside. */
export class SpoolReader implements TreeSource {
  readonly tree: RootfsTree;
  readonly #bodiesPath: string;
  readonly #buffer = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #spools = new Map<number, number>();

  constructor(tree: RootfsTree, bodiesPath: string) {
    this.tree = tree;
    this.#bodiesPath = bodiesPath;
  }

  *contents(inode: number): Generator<ContentPiece, void, undefined> {
    const body = this.tree.bodies[inode]!;
    if (body < 0) return;
    const size = this.tree.sizes[inode]!;
    const fd = this.#spoolOf(body);
    if (isMapped(body)) yield* this.#mapped(fd, spoolOffsetOf(body), size);
    else yield* this.#data(fd, spoolOffsetOf(body), size);
  }

  close(): void {
    for (const fd of this.#spools.values()) closeSync(fd);
    this.#spools.clear();
  }

  *#mapped(fd: number, mapAt: number, size: number): Generator<ContentPiece, void, undefined> {
    const head = this.#numbers(fd, mapAt, 2);
    const pairs = this.#numbers(fd, mapAt + 2 * NUMBER_BYTES, 2 * head[1]!);
    let from = head[0]!;
    let left = size;
    for (let at = 0; at < pairs.length; at += 2) {
      const [hole, data] = [pairs[at]!, pairs[at + 1]!];
      if (hole > 0) yield hole;
      yield* this.#data(fd, from, data);
      from += data;
      left -= hole + data;
    }
    if (left > 0) yield left;
  }

  *#data(fd: number, start: number, size: number): Generator<ContentPiece, void, undefined> {
    for (let done = 0; done < size;) {
      const wanted = Math.min(PIECE_BYTES, size - done);
      const length = readSync(fd, this.#buffer, 0, wanted, start + done);
      if (length === 0) throw new Error("a spool ends before its bodies do");
      yield this.#buffer.subarray(0, length);
      done += length;
    }
  }

  #numbers(fd: number, start: number, count: number): Float64Array {
    const bytes = Buffer.alloc(count * NUMBER_BYTES);
    for (let done = 0; done < bytes.length;) {
      const length = readSync(fd, bytes, done, bytes.length - done, start + done);
      if (length === 0) throw new Error("a spool ends before its maps do");
      done += length;
    }
    return Float64Array.from({ length: count }, (_, index) =>
      bytes.readDoubleLE(index * NUMBER_BYTES),
    );
  }

  #spoolOf(body: BodyRef): number {
    const plan = spoolPlanOf(body);
    const known = this.#spools.get(plan);
    if (known !== undefined) return known;
    // An image of a thousand layers has as many spools.
    if (this.#spools.size >= mostOpenFiles()) this.close();
    const fd = openSync(spoolPath(this.#bodiesPath, plan), "r");
    this.#spools.set(plan, fd);
    return fd;
  }
}
