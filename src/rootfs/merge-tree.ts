import { ByteArena } from "./byte-arena.ts";
import { InodeTable } from "./inode-table.ts";
import { NameHash } from "./name-hash.ts";
import { NameTable } from "./name-table.ts";
import { NONE, S_IFDIR } from "./rootfs-tree.ts";
import { SharedBlobs } from "./shared-blobs.ts";

/** Of the root and of parents without an entry of their own; their owner is 0:0, their mtime 0 (layer-cases.md rule 4). */
const IMPLIED_DIRECTORY = S_IFDIR | 0o755;

/** The tree that layers are folded into: names, inodes, and the bytes of link targets and xattrs. */
export class MergeTree {
  readonly names: NameTable;
  readonly inodes: InodeTable = new InodeTable();
  readonly blobs: ByteArena = new ByteArena();
  readonly xattrs: SharedBlobs = new SharedBlobs(this.blobs);
  /** Counts the directories that went: a path that led somewhere may lead elsewhere since. */
  generation = 0;

  /** @param hashKey two 32-bit numbers that whoever made the layers cannot know */
  constructor(hashKey: readonly [number, number]) {
    this.names = new NameTable(new NameHash(hashKey[0], hashKey[1]));
    this.inodes.add(IMPLIED_DIRECTORY, 0);
  }

  addDirectory(parent: number, component: Uint8Array, layer: number): number {
    const name = this.names.add(parent, component, 0, component.length);
    this.names.inodes[name] = this.inodes.add(IMPLIED_DIRECTORY, layer);
    return name;
  }

  isDirectory(name: number): boolean {
    return this.inodes.isDirectory(this.names.inodes[name]!);
  }

  /** Lets a name go of its inode, to get another one. What was below it goes first. */
  release(name: number): void {
    if (this.isDirectory(name)) this.removeBelow(name);
    this.#unlinkInode(name);
  }

  remove(name: number): void {
    this.removeBelow(name);
    this.#drop(name);
  }

  /** From the leaves up, in a loop: a deep tree is an attack on whoever recurses. Links are names like others here. */
  removeBelow(directory: number): void {
    const { firstChildren, parents } = this.names;
    for (let at = directory; ;) {
      const child = firstChildren[at]!;
      if (child !== NONE) {
        at = child;
      } else if (at === directory) {
        return;
      } else {
        const parent = parents[at]!;
        this.#drop(at);
        at = parent;
      }
    }
  }

  #drop(name: number): void {
    this.#unlinkInode(name);
    this.names.remove(name);
  }

  #unlinkInode(name: number): void {
    if (this.isDirectory(name)) this.generation++;
    const inode = this.names.inodes[name]!;
    this.inodes.linkCounts[inode] = this.inodes.linkCounts[inode]! - 1;
  }
}
