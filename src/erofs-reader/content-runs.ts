import type { ContentRun } from "../image-reader/disk-image.ts";
import { CHUNK_INDEX_BYTES, LAYOUT, NO_BLOCK } from "./format.ts";
import { brokenInode, type Contents, type ErofsInode } from "./inode.ts";
import type { ErofsVolume } from "./volume.ts";

/** Of a map, so many bytes are read at once. */
const MAP_BYTES = 1 << 15;

/**
 * Where the contents of an inode are, in order and without gaps; runs lie in the image and begin at blocks, but for a tail
 * behind the inode. A text says what is wrong with a
 * chunk of it.
 */
export function* contentSteps(
  volume: ErofsVolume,
  inode: ErofsInode,
): Generator<ContentRun | string, void, undefined> {
  const { contents } = inode;
  if (contents.kind === "flat") yield* flatRuns(volume, inode, contents);
  else if (contents.kind === "chunks") yield* chunkRuns(volume, inode, contents);
}

function* flatRuns(
  { superblock: { blockSize } }: ErofsVolume,
  { sizeBytes }: ErofsInode,
  { start, blocks, tailAt, tailBytes }: Extract<Contents, { kind: "flat" }>,
): Generator<ContentRun, void, undefined> {
  const bytes = sizeBytes - tailBytes;
  if (blocks > 0) yield { offset: 0, bytes, at: start * blockSize };
  if (tailBytes > 0) yield { offset: bytes, bytes: tailBytes, at: tailAt };
}

function* chunkRuns(
  volume: ErofsVolume,
  { sizeBytes }: ErofsInode,
  contents: Extract<Contents, { kind: "chunks" }>,
): Generator<ContentRun | string, void, undefined> {
  const { blockSize, blocks } = volume.superblock;
  const { mapAt, count, entryBytes, chunkBytes } = contents;
  const step = MAP_BYTES / entryBytes;
  for (let first = 0; first < count; first += step) {
    const some = Math.min(step, count - first);
    const map = volume.metadata.read(mapAt + first * entryBytes, some * entryBytes);
    let run: ContentRun | undefined;
    for (let index = 0; index < some; index++) {
      const offset = (first + index) * chunkBytes;
      const bytes = Math.min(chunkBytes, sizeBytes - offset);
      const block = chunkBlock(map, index, entryBytes);
      if (typeof block === "string") yield block;
      else if (block !== NO_BLOCK && block + Math.ceil(bytes / blockSize) > blocks) {
        yield `has a chunk from block ${block} on; the image has ${blocks}`;
      } else {
        const at = block === NO_BLOCK ? undefined : block * blockSize;
        const joined = run === undefined ? undefined : joinedRun(run, at, bytes);
        if (run !== undefined && joined === undefined) yield run;
        run = joined ?? { offset, bytes, at };
      }
    }
    if (run !== undefined) yield run;
  }
}

/** Runs are in order, so what follows a run in the image follows it in the file too, unless a chunk between is damaged. */
function joinedRun(run: ContentRun, at: number | undefined, bytes: number): ContentRun | undefined {
  const isNext = run.at === undefined ? at === undefined : at === run.at + run.bytes;
  return isNext ? { ...run, bytes: run.bytes + bytes } : undefined;
}

function chunkBlock(map: Buffer, index: number, entryBytes: number): number | string {
  if (entryBytes !== CHUNK_INDEX_BYTES) return map.readUInt32LE(index * entryBytes);
  const block = map.readUInt32LE(index * entryBytes + 4);
  // There is no table of devices, so there is one device.
  const device = map.readUInt16LE(index * entryBytes + 2);
  return device === 0 || block === NO_BLOCK ? block : `has a chunk on a device ${device}`;
}

/** The runs of a sound inode. @throws ImportError ERR_SNAPSHOT_DAMAGED at the first thing that is wrong */
export function* contentRuns(
  volume: ErofsVolume,
  inode: ErofsInode,
): Generator<ContentRun, void, undefined> {
  for (const step of contentSteps(volume, inode)) {
    if (typeof step === "string") throw brokenInode(volume, inode.number, step);
    yield step;
  }
}

/** Whether the features of the image say that it has inodes like this one. */
export function isAnnounced({ superblock }: ErofsVolume, { layout }: ErofsInode): boolean {
  return layout !== LAYOUT.chunks || superblock.hasChunks;
}
