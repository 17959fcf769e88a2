import { EntryType, type EntryBatch } from "../layer/entry-batch.ts";
import {
  lastComponent,
  linkOfEntry,
  type MergeContext,
  pathOfEntry,
  walkFailure,
  walkToParent,
} from "./merge-context.ts";
import { Walk } from "./path-walker.ts";
import { NONE, ROOT, S_IFDIR, S_IFLNK } from "./rootfs-tree.ts";

/** What a hard link named when it came, and the link's number in the layer. */
interface LinkTarget {
  readonly number: number;
  readonly name: number;
}

/**
 * The whiteouts and opaque markers of one layer (image-spec layer.md, "Whiteouts"; layer-cases.md rules 6 to 9).
 *
 * They are applied before the layer's entries, in archive order, and so can only hide what lower layers have. The
 * directory that a marker lies in is resolved in that lower tree, links included: with `lib -> usr/lib` below,
 * `lib/.wh.x` hides `usr/lib/x`.
 *
 * One thing of the own layer counts: when an entry before the marker has put something else in the place of a link that
 * leads to it, the marker lies in the new object, and nothing lower is in there. Docker's overlay2 writes such layers:
 * `rm lib; mkdir lib` becomes `lib/`, `lib/.wh..wh..opq`, and that must not empty `usr/lib`.
 *
 * And a hard link before the marker may name what the marker hides: it was there at that point (rule 18).
 */
export class LayerMarkers {
  readonly #context: MergeContext;
  readonly #batches: Iterable<EntryBatch>;
  /** Numbers in the layer, counted over all batches, of markers that lie below something that is no directory. */
  readonly #blocked: number[] = [];
  /** For each name of the lower tree: 1 + the number of the first entry that replaces it, or 0. Empty when no marker needs it. */
  #replaced: Uint32Array = new Uint32Array(0);
  /** By the number of a hard link: the inode that it names and that a marker after it hides. */
  readonly #hiddenTargets = new Map<number, number>();

  constructor(context: MergeContext, batches: Iterable<EntryBatch>) {
    this.#context = context;
    this.#batches = batches;
  }

  /** Hides what the markers name. Comes before the layer's first entry. */
  hide(): void {
    const end = this.#endOfMarkers();
    // Most layers have none; a pass over a large one takes tenths of a second.
    if (end === 0) return;
    if (this.#needsLinks()) this.#replaced = this.#findReplaced();
    const targets: LinkTarget[] = [];
    let first = 0;
    for (const batch of this.#batches) {
      for (let i = 0; i < batch.count && first + i < end; i++) {
        if (isMarker(batch, i)) this.#hideOne(batch, i, first + i);
        else if (batch.types[i] === EntryType.hardlink) {
          const name = this.#targetOf(batch, i);
          if (name !== NONE) targets.push({ number: first + i, name });
        }
      }
      first += batch.count;
    }
    const { tree } = this.#context;
    for (const { number, name } of targets) {
      if (!tree.names.has(name)) this.#hiddenTargets.set(number, tree.names.inodes[name]!);
    }
  }

  /** The inode that a hard link names and that a marker after it has hidden, or NONE. @param number of the link in the layer */
  hiddenTarget(number: number): number {
    return this.#hiddenTargets.get(number) ?? NONE;
  }

  /**
   * A marker below a file, or a circle of links, is refused as any entry there is (rule 14), unless the layer itself made
   * a directory of that. Comes after the layer's last entry.
   * @throws ImportError ERR_NOT_A_DIRECTORY, ERR_LINK_LOOP
   */
  refuseBlocked(): void {
    if (this.#blocked.length === 0) return;
    let first = 0;
    let next = 0;
    for (const batch of this.#batches) {
      for (; next < this.#blocked.length && this.#blocked[next]! < first + batch.count; next++) {
        const i = this.#blocked[next]! - first;
        const outcome = this.#walk(batch, i);
        if (outcome > Walk.missing) {
          throw walkFailure(this.#context, outcome, pathOfEntry(batch, i));
        }
      }
      first += batch.count;
    }
  }

  #hideOne(batch: EntryBatch, i: number, number: number): void {
    const { tree, walker } = this.#context;
    const outcome = this.#walk(batch, i);
    if (outcome > Walk.missing) this.#blocked.push(number);
    if (outcome !== Walk.found || this.#isReplaced(number)) return;
    if (batch.types[i] === EntryType.opaque) {
      tree.removeBelow(walker.directory);
      return;
    }
    const end = batch.pathOffsets[i]! + batch.pathLengths[i]!;
    const from = lastComponent(batch.bytes, batch.pathOffsets[i]!, end);
    const name = tree.names.find(walker.directory, batch.bytes, from, end);
    if (name !== NONE) tree.remove(name);
  }

  /** To the directory that the marker lies in. */
  #walk(batch: EntryBatch, i: number): Walk {
    const { walker } = this.#context;
    const start = batch.pathOffsets[i]!;
    const end = start + batch.pathLengths[i]!;
    if (batch.types[i] === EntryType.opaque) return walker.walk(batch.bytes, start, end);
    return walkToParent(walker, batch.bytes, start, lastComponent(batch.bytes, start, end));
  }

  /** Whether any marker is reached through a link. */
  #needsLinks(): boolean {
    for (const batch of this.#batches) {
      for (let i = 0; i < batch.count; i++) {
        if (!isMarker(batch, i)) continue;
        this.#walk(batch, i);
        if (this.#context.walker.linksFollowed > 0) return true;
      }
    }
    return false;
  }

  /** Whether an entry before the marker replaced a link that the last walk followed. */
  #isReplaced(number: number): boolean {
    const { walker } = this.#context;
    for (let at = 0; at < walker.linksFollowed; at++) {
      const replacedBy = this.#replaced[walker.links[at]!]!;
      if (replacedBy > 0 && replacedBy <= number) return true;
    }
    return false;
  }

  #findReplaced(): Uint32Array {
    const replaced = new Uint32Array(this.#context.tree.names.count);
    let first = 0;
    for (const batch of this.#batches) {
      for (let i = 0; i < batch.count; i++) {
        const name = isMarker(batch, i) ? NONE : this.#lowerNameAt(batch, i);
        if (name === NONE || replaced[name] !== 0 || this.#keeps(name, batch, i)) continue;
        replaced[name] = first + i + 1;
      }
      first += batch.count;
    }
    return replaced;
  }

  /** One more than the number of the last marker; 0 for none. */
  #endOfMarkers(): number {
    let end = 0;
    let first = 0;
    for (const batch of this.#batches) {
      for (let i = 0; i < batch.count; i++) if (isMarker(batch, i)) end = first + i + 1;
      first += batch.count;
    }
    return end;
  }

  /** The name of a hard link's target, unless it is a directory, or the object that the link replaces leads to it. */
  #targetOf(batch: EntryBatch, i: number): number {
    const { tree, walker } = this.#context;
    const replaced = this.#lowerNameAt(batch, i);
    const start = batch.linkOffsets[i]!;
    const target = this.#lowerName(batch.bytes, start, start + batch.linkLengths[i]!);
    if (target === NONE || tree.isDirectory(target)) return NONE;
    for (let at = 0; at < walker.linksFollowed; at++) {
      if (walker.links[at] === replaced) return NONE;
    }
    for (let at = target; at !== ROOT; at = tree.names.parents[at]!) {
      if (at === replaced) return NONE;
    }
    return target;
  }

  #lowerNameAt(batch: EntryBatch, i: number): number {
    const start = batch.pathOffsets[i]!;
    return this.#lowerName(batch.bytes, start, start + batch.pathLengths[i]!);
  }

  #lowerName(bytes: Uint8Array, start: number, end: number): number {
    const { walker, tree } = this.#context;
    const from = lastComponent(bytes, start, end);
    if (start === end || walkToParent(walker, bytes, start, from) !== Walk.found) return NONE;
    return tree.names.find(walker.directory, bytes, from, end);
  }

  /** Whether paths lead through the name as before once the entry is there: the same link, a directory over a directory. */
  #keeps(name: number, batch: EntryBatch, i: number): boolean {
    const { names, inodes, blobs } = this.#context.tree;
    const inode = names.inodes[name]!;
    const type = batch.types[i];
    if (inodes.typeOf(inode) === S_IFDIR) return type === EntryType.directory;
    if (inodes.typeOf(inode) !== S_IFLNK || type !== EntryType.symlink) return false;
    const length = batch.linkLengths[i]!;
    return (
      inodes.linkLengthsOrMinors[inode] === length &&
      blobs.holds(inodes.linkOffsetsOrMajors[inode]!, length, linkOfEntry(batch, i), 0)
    );
  }
}

export function isMarker(batch: EntryBatch, i: number): boolean {
  const type = batch.types[i];
  return type === EntryType.whiteout || type === EntryType.opaque;
}
