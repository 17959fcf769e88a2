import { EntryType, NO_BODY, type EntryBatch } from "../layer/entry-batch.ts";
import {
  kindOf,
  lastComponent,
  linkOfEntry,
  type MergeContext,
  pathOfEntry,
  walkFailure,
  walkToParent,
} from "./merge-context.ts";
import type { Limits } from "../limits.ts";
import type { LimitMet } from "./layer-failure.ts";
import { Walk } from "./path-walker.ts";
import {
  NONE,
  ROOT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "./rootfs-tree.ts";

/** `nameLengths` is an array of bytes, whatever `limits.componentBytes` says. */
const MAX_COMPONENT = 255;

/** The file type of an `EntryType`; 0 for a hard link, which has that of its target. */
const TYPE_BITS: Readonly<Record<number, number>> = {
  [EntryType.file]: S_IFREG,
  [EntryType.directory]: S_IFDIR,
  [EntryType.symlink]: S_IFLNK,
  [EntryType.hardlink]: 0,
  [EntryType.character]: S_IFCHR,
  [EntryType.block]: S_IFBLK,
  [EntryType.fifo]: S_IFIFO,
};

/** Puts the entries of one layer into the tree, one after the other; whiteouts and opaque markers are not its business. */
export class EntryPlacer {
  /** Directories that came into being because an entry needed them. */
  impliedDirectories = 0;
  readonly #context: MergeContext;
  readonly #maxComponent: number;

  /** The place of the current entry: the directory, the last component `bytes[#from, #end)`, and the name that is there. */
  #batch: EntryBatch | undefined;
  #directory = ROOT;
  #from = 0;
  #end = 0;
  #existing = NONE;

  constructor(context: MergeContext) {
    this.#context = context;
    this.#maxComponent = Math.min(MAX_COMPONENT, context.limits.componentBytes);
  }

  /**
   * @param hiddenTarget of a hard link: the inode that it names and that a later marker has hidden, or NONE
   * @throws ImportError as `LayerMerge` says
   */
  place(batch: EntryBatch, i: number, hiddenTarget: number): void {
    const type = TYPE_BITS[batch.types[i]!]!;
    if (batch.pathLengths[i] === 0) {
      this.#placeRoot(batch, i, type);
      return;
    }
    this.#findPlace(batch, i);
    if (type === 0) this.#placeHardLink(batch, i, hiddenTarget);
    else if (type === S_IFDIR && this.#existing !== NONE && this.#isDirectory(this.#existing)) {
      this.#mergeDirectory(this.#existing, batch, i);
    } else this.#putInode(this.#newInode(batch, i, type));
  }

  /** Attack (CVE-2021-29136): the root becomes a link, and all that follows goes where it points. */
  #placeRoot(batch: EntryBatch, i: number, type: number): void {
    const kind = type === 0 ? "a hard link" : kindOf(type);
    if (type !== S_IFDIR) throw this.#context.failure.rootReplaced(kind);
    this.#mergeDirectory(ROOT, batch, i);
  }

  #findPlace(batch: EntryBatch, i: number): void {
    const { tree, walker, limits, failure, layer } = this.#context;
    const start = batch.pathOffsets[i]!;
    const end = start + batch.pathLengths[i]!;
    const from = lastComponent(batch.bytes, start, end);
    const outcome = walkToParent(walker, batch.bytes, start, from);
    if (outcome > Walk.missing) throw walkFailure(this.#context, outcome, pathOfEntry(batch, i));
    const longest = Math.max(end - from, outcome === Walk.missing ? walker.longestMissing() : 0);
    if (longest > this.#maxComponent) {
      throw failure.componentTooLong(pathOfEntry(batch, i), longest, this.#maxComponent);
    }
    const pathBytes = walker.pathBytes + (walker.pathBytes === 0 ? 0 : 1) + end - from;
    if (pathBytes > limits.pathBytes) {
      throw failure.pathTooLong(pathOfEntry(batch, i), pathBytes);
    }
    const depth = walker.depth + (batch.types[i] === EntryType.directory ? 1 : 0);
    if (depth > limits.depth) throw failure.limit(pathOfEntry(batch, i), tooDeep(depth, limits));
    if (outcome === Walk.missing) {
      this.impliedDirectories += walker.missingCount;
      walker.makeMissing(layer);
    }
    this.#batch = batch;
    this.#directory = walker.directory;
    this.#from = from;
    this.#end = end;
    this.#existing = tree.names.find(walker.directory, batch.bytes, from, end);
  }

  #isDirectory(name: number): boolean {
    return this.#context.tree.isDirectory(name);
  }

  /** Rule 2: children stay; mode, owner, mtime and xattrs become the entry's. */
  #mergeDirectory(name: number, batch: EntryBatch, i: number): void {
    const { tree } = this.#context;
    const inode = tree.names.inodes[name]!;
    this.#setAttributes(inode, batch, i);
    this.#setXattrs(inode, batch, i);
  }

  /** Rule 3: what was there goes with all below it; other names of its inode keep it. */
  #putInode(inode: number): void {
    const { names } = this.#context.tree;
    let name = this.#existing;
    if (name === NONE) {
      name = names.add(this.#directory, this.#batch!.bytes, this.#from, this.#end);
    } else this.#context.tree.release(name);
    names.inodes[name] = inode;
  }

  #newInode(batch: EntryBatch, i: number, type: number): number {
    const { inodes, blobs } = this.#context.tree;
    const inode = inodes.add(type, this.#context.layer);
    this.#setAttributes(inode, batch, i);
    if (batch.xattrLengths[i] !== 0) this.#setXattrs(inode, batch, i);
    if (type === S_IFREG) {
      inodes.sizes[inode] = batch.sizes[i]!;
      inodes.bodies[inode] = batch.bodies[i]!;
    } else if (type === S_IFLNK) {
      const start = batch.linkOffsets[i]!;
      const length = batch.linkLengths[i]!;
      inodes.linkOffsetsOrMajors[inode] = blobs.append(batch.bytes, start, start + length);
      inodes.linkLengthsOrMinors[inode] = length;
    } else if (type === S_IFCHR || type === S_IFBLK) {
      inodes.linkOffsetsOrMajors[inode] = batch.deviceMajors[i]!;
      inodes.linkLengthsOrMinors[inode] = batch.deviceMinors[i]!;
    }
    return inode;
  }

  #setAttributes(inode: number, batch: EntryBatch, i: number): void {
    const { inodes } = this.#context.tree;
    const type = inodes.modes[inode]! & S_IFMT;
    // Linux has no other permissions of a link, and no way to set them.
    inodes.modes[inode] = type | (type === S_IFLNK ? 0o777 : batch.modes[i]! & 0o7777);
    inodes.uids[inode] = batch.uids[i]!;
    inodes.gids[inode] = batch.gids[i]!;
    inodes.mtimeSeconds[inode] = batch.mtimeSeconds[i]!;
    inodes.mtimeNanoseconds[inode] = batch.mtimeNanoseconds[i]!;
  }

  #setXattrs(inode: number, batch: EntryBatch, i: number): void {
    const { inodes, xattrs } = this.#context.tree;
    const start = batch.xattrOffsets[i]!;
    const length = batch.xattrLengths[i]!;
    inodes.xattrOffsets[inode] =
      length === 0 ? 0 : xattrs.append(batch.bytes, start, start + length);
    inodes.xattrLengths[inode] = length;
  }

  #placeHardLink(batch: EntryBatch, i: number, hiddenTarget: number): void {
    const { tree, limits, failure } = this.#context;
    // The old object goes before the target is looked up: no path leads through it any more.
    if (this.#existing !== NONE && this.#mayLead(this.#existing)) this.#removeExisting();
    const target = this.#findTarget(batch, i);
    const inode = target === NONE ? hiddenTarget : tree.names.inodes[target]!;
    if (inode === NONE) throw this.#badTarget(batch, i, "is not there");
    tree.inodes.linkCounts[inode] = tree.inodes.linkCounts[inode]! + 1;
    this.#putInode(inode);
    const value = tree.inodes.linkCounts[inode];
    if (value > limits.hardLinks) {
      const what = `is one hard link more than ${limits.hardLinks} of one file`;
      throw failure.limit(pathOfEntry(batch, i), { limit: "hardLinks", value, what });
    }
    this.#adjust(inode, batch, i);
  }

  #removeExisting(): void {
    this.#context.tree.remove(this.#existing);
    this.#existing = NONE;
  }

  /** Whether a path can lead through the name: a directory, a link. */
  #mayLead(name: number): boolean {
    const { inodes, names } = this.#context.tree;
    const type = inodes.typeOf(names.inodes[name]!);
    return type === S_IFDIR || type === S_IFLNK;
  }

  /** Rule 18: the target's last component is not followed, and it is there already. @returns its name, or NONE */
  #findTarget(batch: EntryBatch, i: number): number {
    const { tree, walker } = this.#context;
    const start = batch.linkOffsets[i]!;
    const end = start + batch.linkLengths[i]!;
    if (start === end) throw this.#badTarget(batch, i, "is the root directory");
    const from = lastComponent(batch.bytes, start, end);
    let outcome = walkToParent(walker, batch.bytes, start, from);
    if (outcome === Walk.notDirectory && walker.blocker === this.#existing) {
      this.#removeExisting();
      outcome = walkToParent(walker, batch.bytes, start, from);
    }
    if (outcome === Walk.missing || outcome === Walk.notDirectory) return NONE;
    if (outcome !== Walk.found) throw walkFailure(this.#context, outcome, pathOfEntry(batch, i));
    const target = tree.names.find(walker.directory, batch.bytes, from, end);
    if (target === NONE) return NONE;
    if (target === this.#existing) throw this.#badTarget(batch, i, "is the link itself");
    if (this.#isDirectory(target)) throw this.#badTarget(batch, i, "is a directory");
    return target;
  }

  #badTarget(batch: EntryBatch, i: number, why: string): Error {
    return this.#context.failure.linkTarget(pathOfEntry(batch, i), linkOfEntry(batch, i), why);
  }

  /** Rule 19: the link's metadata are the inode's; its xattrs only if it brings some. */
  #adjust(inode: number, batch: EntryBatch, i: number): void {
    const { inodes } = this.#context.tree;
    const mode = inodes.modes[inode]!;
    const uid = inodes.uids[inode]!;
    const gid = inodes.gids[inode]!;
    const seconds = inodes.mtimeSeconds[inode]!;
    const nanoseconds = inodes.mtimeNanoseconds[inode]!;
    this.#setAttributes(inode, batch, i);
    if (batch.xattrLengths[i] !== 0) this.#setXattrs(inode, batch, i);
    const same =
      mode === inodes.modes[inode] &&
      uid === inodes.uids[inode] &&
      gid === inodes.gids[inode] &&
      seconds === inodes.mtimeSeconds[inode] &&
      nanoseconds === inodes.mtimeNanoseconds[inode];
    if (!same && inodes.bodies[inode] !== NO_BODY) inodes.adjusted[inode] = 1;
  }
}

function tooDeep(depth: number, limits: Limits): LimitMet {
  const what = `lies in directory ${depth} below the root; directories may be ${limits.depth} deep`;
  return { limit: "depth", value: depth, what };
}
