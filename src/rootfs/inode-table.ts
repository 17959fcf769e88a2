import { grownFloat64, grownUint16, grownUint32, grownUint8, nextLength } from "./growable.ts";
import { S_IFDIR, S_IFMT } from "./rootfs-tree.ts";

/** The inodes of the tree while it grows: the arrays of `RootfsTree`, whose documentation holds here. */
export class InodeTable {
  count = 0;
  modes: Uint16Array = new Uint16Array(0);
  uids: Uint32Array = new Uint32Array(0);
  gids: Uint32Array = new Uint32Array(0);
  mtimeSeconds: Float64Array = new Float64Array(0);
  mtimeNanoseconds: Uint32Array = new Uint32Array(0);
  linkCounts: Uint32Array = new Uint32Array(0);
  sizes: Float64Array = new Float64Array(0);
  bodies: Float64Array = new Float64Array(0);
  linkOffsetsOrMajors: Uint32Array = new Uint32Array(0);
  linkLengthsOrMinors: Uint32Array = new Uint32Array(0);
  xattrOffsets: Uint32Array = new Uint32Array(0);
  xattrLengths: Uint32Array = new Uint32Array(0);
  layers: Uint16Array = new Uint16Array(0);
  adjusted: Uint8Array = new Uint8Array(0);

  /** An inode of one name with nothing else set: everything is 0, `bodies` -1. @param mode with its type */
  add(mode: number, layer: number): number {
    const inode = this.count++;
    if (inode >= this.modes.length) this.#grow(nextLength(this.modes.length, inode + 1));
    this.modes[inode] = mode;
    this.layers[inode] = layer;
    this.linkCounts[inode] = 1;
    this.bodies[inode] = -1;
    return inode;
  }

  typeOf(inode: number): number {
    return this.modes[inode]! & S_IFMT;
  }

  isDirectory(inode: number): boolean {
    return this.typeOf(inode) === S_IFDIR;
  }

  #grow(length: number): void {
    this.modes = grownUint16(this.modes, length);
    this.uids = grownUint32(this.uids, length);
    this.gids = grownUint32(this.gids, length);
    this.mtimeSeconds = grownFloat64(this.mtimeSeconds, length);
    this.mtimeNanoseconds = grownUint32(this.mtimeNanoseconds, length);
    this.linkCounts = grownUint32(this.linkCounts, length);
    this.sizes = grownFloat64(this.sizes, length);
    this.bodies = grownFloat64(this.bodies, length);
    this.linkOffsetsOrMajors = grownUint32(this.linkOffsetsOrMajors, length);
    this.linkLengthsOrMinors = grownUint32(this.linkLengthsOrMinors, length);
    this.xattrOffsets = grownUint32(this.xattrOffsets, length);
    this.xattrLengths = grownUint32(this.xattrLengths, length);
    this.layers = grownUint16(this.layers, length);
    this.adjusted = grownUint8(this.adjusted, length);
  }
}
