import type { Limits } from "../limits.ts";
import { ByteArena } from "./byte-arena.ts";
import type { MergeTree } from "./merge-tree.ts";
import { NONE, ROOT, S_IFDIR, S_IFLNK } from "./rootfs-tree.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** Honest paths take a few steps inside link targets. The stock is half a second of work. */
const STEPS_A_WALK = 256;
const STEPS_A_LINK = 250_000;

/** How a walk ended. */
export const Walk = {
  /** `directory` is what the path names. */
  found: 0,
  /** The last part of the path is not there; `directory` is the deepest one that is. */
  missing: 1,
  /** `blocker` stands where a directory should be. */
  notDirectory: 2,
  /** More links than `limits.symlinksFollowed`. */
  loop: 3,
  /** Link targets of this image had more components than any honest one: see `#stepsLeft`. */
  tooLong: 4,
} as const;
export type Walk = (typeof Walk)[keyof typeof Walk];

/**
 * Resolves the directory part of paths in the tree, inside the root (layer-cases.md rule 13): absolute targets start at
 * the root and `..` of the root is the root, as in a chroot. The disk is never asked, so no link there is ever followed.
 *
 * One walker serves a whole merge; its fields describe the last walk.
 */
export class PathWalker {
  directory: number = ROOT;
  /** Length of the path of the directory that the walk led to, missing parts included; 0 for the root. */
  pathBytes = 0;
  /** Directories on that path, missing ones included; 0 for the root. */
  depth = 0;
  blocker: number = NONE;
  /** The first `linksFollowed` elements: the names of the links that were followed. */
  readonly links: number[] = [];
  linksFollowed = 0;

  readonly #tree: MergeTree;
  readonly #maxLinks: number;
  /**
   * Attack: a link to `a/../a/../…` costs its layer one header and each path through it two thousand steps, forty
   * times. So steps inside targets are bought: some by every walk, and a stock for the few odd links of honest layers.
   */
  #stepsLeft: number;

  /** Components after the deepest existing directory, back to back. `..` takes the last one away, as containerd does. */
  readonly #missing = new ByteArena();
  readonly #missingEnds: number[] = [];
  #missingCount = 0;

  /** The path and the targets within it that are not used up, innermost last. */
  readonly #sources: Uint8Array[] = [];
  readonly #positions: number[] = [];
  readonly #ends: number[] = [];

  /** The last path that led to a directory without a link: the next entry is most often in the same one. */
  #cachedPath: Uint8Array = new Uint8Array(0);
  #cachedLength = 0;
  #cachedDirectory = ROOT;
  #cachedDepth = 0;
  #cachedGeneration = -1;

  constructor(tree: MergeTree, limits: Limits) {
    this.#tree = tree;
    this.#maxLinks = limits.symlinksFollowed;
    this.#stepsLeft = STEPS_A_LINK * Math.max(1, limits.symlinksFollowed);
  }

  /** Walks `source[start, end)`, its last component included. Makes nothing. */
  walk(source: Uint8Array, start: number, end: number): Walk {
    this.#stepsLeft += STEPS_A_WALK;
    this.directory = ROOT;
    this.pathBytes = 0;
    this.depth = 0;
    this.linksFollowed = 0;
    this.#missingCount = 0;
    this.#missing.length = 0;
    if (start === end) return Walk.found;
    if (this.#isCached(source, start, end)) {
      this.directory = this.#cachedDirectory;
      this.pathBytes = end - start;
      this.depth = this.#cachedDepth;
      return Walk.found;
    }
    const outcome = this.#walkComponents(source, start, end);
    if (outcome !== Walk.found) return outcome;
    if (this.#missingCount > 0) return Walk.missing;
    if (this.linksFollowed === 0) this.#cache(source, start, end);
    return Walk.found;
  }

  /** After `missing`: the length of the longest component that is not there. */
  longestMissing(): number {
    let longest = 0;
    for (let i = 0; i < this.#missingCount; i++) {
      longest = Math.max(longest, this.#missingEnds[i]! - this.#missingStart(i));
    }
    return longest;
  }

  /** After `missing`: how many directories are not there. */
  get missingCount(): number {
    return this.#missingCount;
  }

  /** After `missing`: makes the directories that are not there (rule 4), so that `directory` is what the path names. */
  makeMissing(layer: number): void {
    for (let i = 0; i < this.#missingCount; i++) {
      this.directory = this.#tree.addDirectory(
        this.directory,
        this.#missing.bytes.subarray(this.#missingStart(i), this.#missingEnds[i]),
        layer,
      );
    }
    this.#missingCount = 0;
  }

  #walkComponents(source: Uint8Array, start: number, end: number): Walk {
    this.#sources[0] = source;
    this.#positions[0] = start;
    this.#ends[0] = end;
    for (let depth = 0; depth >= 0;) {
      const bytes = this.#sources[depth]!;
      const limit = this.#ends[depth]!;
      let from = this.#positions[depth]!;
      while (from < limit && bytes[from] === SLASH) from++;
      if (from === limit) {
        depth--;
        continue;
      }
      let to = from + 1;
      while (to < limit && bytes[to] !== SLASH) to++;
      this.#positions[depth] = to;
      if (depth > 0 && this.#stepsLeft-- <= 0) return Walk.tooLong;
      const link = this.#step(bytes, from, to);
      if (link === NONE) continue;
      if (this.blocker !== NONE) return Walk.notDirectory;
      if (this.linksFollowed === this.#maxLinks) return Walk.loop;
      this.links[this.linksFollowed++] = link;
      depth = this.#enterTarget(link, depth + 1);
    }
    return Walk.found;
  }

  /** Takes one component. @returns NONE, or the name that stands in the way: a link, or the `blocker` */
  #step(bytes: Uint8Array, from: number, to: number): number {
    this.blocker = NONE;
    if (bytes[from] === DOT) {
      if (to - from === 1) return NONE;
      if (to - from === 2 && bytes[from + 1] === DOT) {
        this.#ascend();
        return NONE;
      }
    }
    const { names, inodes } = this.#tree;
    const name = this.#missingCount > 0 ? NONE : names.find(this.directory, bytes, from, to);
    if (name === NONE) {
      this.#pushMissing(bytes, from, to);
      return NONE;
    }
    const type = inodes.typeOf(names.inodes[name]!);
    if (type === S_IFDIR) {
      this.#descend(to - from);
      this.directory = name;
      return NONE;
    }
    if (type !== S_IFLNK) this.blocker = name;
    return name;
  }

  #descend(length: number): void {
    this.pathBytes += this.pathBytes === 0 ? length : length + 1;
    this.depth++;
  }

  #ascend(): void {
    let length = 0;
    if (this.#missingCount > 0) {
      this.#missingCount--;
      const start = this.#missingStart(this.#missingCount);
      length = this.#missingEnds[this.#missingCount]! - start;
      this.#missing.length = start;
    } else if (this.directory !== ROOT) {
      length = this.#tree.names.nameLengths[this.directory]!;
      this.directory = this.#tree.names.parents[this.directory]!;
    }
    this.pathBytes = Math.max(0, this.pathBytes - length - 1);
    this.depth = Math.max(0, this.depth - 1);
  }

  #pushMissing(bytes: Uint8Array, from: number, to: number): void {
    this.#missing.append(bytes, from, to);
    this.#missingEnds[this.#missingCount++] = this.#missing.length;
    this.#descend(to - from);
  }

  #missingStart(i: number): number {
    return i === 0 ? 0 : this.#missingEnds[i - 1]!;
  }

  /** The target's components come before what is left of the path. @returns `depth` */
  #enterTarget(link: number, depth: number): number {
    const { names, inodes, blobs } = this.#tree;
    const inode = names.inodes[link]!;
    const offset = inodes.linkOffsetsOrMajors[inode]!;
    this.#sources[depth] = blobs.bytes;
    this.#positions[depth] = offset;
    this.#ends[depth] = offset + inodes.linkLengthsOrMinors[inode]!;
    if (blobs.bytes[offset] === SLASH && inodes.linkLengthsOrMinors[inode]! > 0) {
      this.directory = ROOT;
      this.pathBytes = 0;
      this.depth = 0;
    }
    return depth;
  }

  #cache(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#cachedPath.length < length) this.#cachedPath = new Uint8Array(length * 2);
    for (let at = 0; at < length; at++) this.#cachedPath[at] = source[start + at]!;
    this.#cachedLength = length;
    this.#cachedDirectory = this.directory;
    this.#cachedDepth = this.depth;
    this.#cachedGeneration = this.#tree.generation;
  }

  /** Attack (CVE-2021-32803, -37701, -37712): a directory that was seen, then replaced by a link. Any removal of one empties the cache. */
  #isCached(source: Uint8Array, start: number, end: number): boolean {
    if (this.#cachedGeneration !== this.#tree.generation) return false;
    if (this.#cachedLength !== end - start) return false;
    // Paths side by side differ in their last bytes.
    for (let at = end - start - 1; at >= 0; at--) {
      if (this.#cachedPath[at] !== source[start + at]) return false;
    }
    return true;
  }
}
