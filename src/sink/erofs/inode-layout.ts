import { ImportError, printable } from "../../errors.ts";
import { pathOf, S_IFDIR, S_IFLNK, S_IFREG, typeOf } from "../../rootfs/rootfs-tree.ts";
import { BLOCK_BYTES } from "../block-placement.ts";
import type { BodyMap } from "../body-map.ts";
import { throwWhenCancelled } from "../cancellation.ts";
import type { TreeNumbers } from "../tree-numbers.ts";
import type { XattrPlans } from "../xattr-plans.ts";
import { DirectoryListing } from "./directory-listing.ts";
import { fileLayout, mapBytesOf, type FileLayout } from "./file-layout.ts";
import {
  blocksFor,
  CHUNK_BASED,
  FLAT_INLINE,
  FLAT_PLAIN,
  INODE_BYTES,
  SLOT_BYTES,
} from "./format.ts";
import type { ErofsMetadataInput } from "./metadata-input.ts";
import type { XattrArea } from "./xattr-area.ts";

/**
 * The maps of all files together. Attack: a layer of a kilobyte states a file of 16 TiB of small holes, whose map has 16 GiB,
 * a hundred times.
 */
const MOST_MAP_BYTES = 2 ** 30;

export interface LayoutParts {
  readonly numbers: TreeNumbers;
  readonly xattrs: XattrPlans<XattrArea>;
  /** As they lie when the metadata is written. */
  readonly bodies: BodyMap;
}

/** Where the inodes lie, one behind the other in the order of their numbers. */
export interface InodeLayout {
  /** By number: the inode's slot of 32 bytes, its `nid`. */
  readonly nids: Float64Array;
  /** By number: FLAT_PLAIN, FLAT_INLINE or CHUNK_BASED. */
  readonly layouts: Uint8Array;
  /** Blocks of all inodes with what lies behind them. */
  readonly inodeBlocks: number;
  /** Whole blocks of directories and long links, in the order of their inodes. */
  readonly contentBlocks: number;
  readonly hasChunkedFiles: boolean;
}

/**
 * The sizes of directories do not depend on the places of inodes, so places are known before anything is written.
 * @throws ImportError ERR_LIMIT_EXCEEDED for maps of an unreasonable size, ERR_CANCELLED
 */
export function layOutInodes(input: ErofsMetadataInput, parts: LayoutParts): InodeLayout {
  const { tree } = input;
  const { numbers, xattrs } = parts;
  const listing = new DirectoryListing(tree, numbers);
  const nids = new Float64Array(numbers.last + 1);
  const layouts = new Uint8Array(numbers.last + 1);
  let position = 0;
  let contentBlocks = 0;
  let mapBytes = 0;
  for (let number = 1; number <= numbers.last; number++) {
    throwWhenCancelled(input, number);
    const name = numbers.names[number]!;
    const inode = tree.inodes[name]!;
    const head = INODE_BYTES + xattrs.planOf(inode, name).bytes.length;
    const type = typeOf(tree, inode);
    let behind = 0;
    if (type === S_IFREG) {
      const layout = layoutOfFile(input, inode, parts.bodies);
      layouts[number] = layout.kind === "plain" ? FLAT_PLAIN : CHUNK_BASED;
      behind = mapBytesOf(layout);
      mapBytes += behind;
      if (mapBytes > MOST_MAP_BYTES) throw tooManyChunks(input, name);
    } else {
      if (type === S_IFDIR) listing.list(number);
      const size = type === S_IFDIR ? listing.sizeBytes : linkBytesOf(input, inode);
      behind = inlineBytesOf(size, head);
      layouts[number] = behind > 0 ? FLAT_INLINE : FLAT_PLAIN;
      contentBlocks += blocksFor(size - behind);
    }
    // What is inline lies in one block with its inode; so do the 64 bytes of any inode. A map may cross blocks.
    const together = layouts[number] === FLAT_INLINE ? head + behind : INODE_BYTES;
    if ((position % BLOCK_BYTES) + together > BLOCK_BYTES) position = ceilTo(position, BLOCK_BYTES);
    nids[number] = position / SLOT_BYTES;
    position = ceilTo(position + head + behind, SLOT_BYTES);
  }
  return {
    nids,
    layouts,
    inodeBlocks: blocksFor(position),
    contentBlocks,
    hasChunkedFiles: mapBytes > 0,
  };
}

/** Bytes of a directory or link that lie behind its inode: the rest that fills no block, where it fits. */
function inlineBytesOf(sizeBytes: number, head: number): number {
  const rest = sizeBytes % BLOCK_BYTES;
  return head + rest <= BLOCK_BYTES ? rest : 0;
}

export function layoutOfFile(
  { tree }: ErofsMetadataInput,
  inode: number,
  bodies: BodyMap,
): FileLayout {
  const body = tree.bodies[inode]!;
  const size = tree.sizes[inode]!;
  return fileLayout(body === -1 ? [] : bodies.extentsOf(body, size), body === -1 ? 0 : size);
}

/** 0 for what is neither a directory nor a link. */
function linkBytesOf({ tree }: ErofsMetadataInput, inode: number): number {
  return typeOf(tree, inode) === S_IFLNK ? tree.linkLengthsOrMinors[inode]! : 0;
}

function ceilTo(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

function tooManyChunks({ tree }: ErofsMetadataInput, name: number): ImportError {
  const path = printable(pathOf(tree, name));
  const message = `with "${path}" the maps of files in pieces have more than ${MOST_MAP_BYTES} bytes`;
  return new ImportError("ERR_LIMIT_EXCEEDED", message, {
    hint: "Import the image with --format ext4, dir or tar.",
    details: { path, limit: MOST_MAP_BYTES },
  });
}
