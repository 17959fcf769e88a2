import { ByteArena } from "./byte-arena.ts";
import { EntryType, NO_BODY } from "./entry-batch.ts";
import type { EntryBatch } from "./entry-batch.ts";

/** A batch ends at this many entries, or at this many bytes of names, links and xattrs, whichever comes first. */
const BATCH_ENTRIES = 4096;
const BATCH_BYTES = 1 << 20;
const FIRST_ARENA_BYTES = 1 << 16;

/** One entry while it is read: the fields of `EntryBatch`, ranges lying in the builder's arena. Reused for every entry. */
export class EntryDraft {
  type: EntryType = EntryType.file;
  mode = 0;
  uid = 0;
  gid = 0;
  mtimeSeconds = 0;
  mtimeNanoseconds = 0;
  size = 0;
  body: number = NO_BODY;
  deviceMajor = 0;
  deviceMinor = 0;
  pathAt = 0;
  pathLength = 0;
  linkAt = 0;
  linkLength = 0;
  xattrsAt = 0;
  xattrsLength = 0;

  reset(): void {
    this.type = EntryType.file;
    this.mode = 0;
    this.uid = 0;
    this.gid = 0;
    this.mtimeSeconds = 0;
    this.mtimeNanoseconds = 0;
    this.size = 0;
    this.body = NO_BODY;
    this.deviceMajor = 0;
    this.deviceMinor = 0;
    this.pathAt = 0;
    this.pathLength = 0;
    this.linkAt = 0;
    this.linkLength = 0;
    this.xattrsAt = 0;
    this.xattrsLength = 0;
  }
}

/** Gathers entries and hands them on in batches, whose ends depend on the entries alone and not on how the bytes came. */
export class BatchBuilder {
  /** Holds the variable parts of the entries of the present batch, and those of the draft behind them. */
  readonly arena: ByteArena = new ByteArena(FIRST_ARENA_BYTES);
  readonly draft: EntryDraft = new EntryDraft();
  readonly #onBatch: (batch: EntryBatch) => void;
  readonly #columns: EntryBatch = emptyColumns();
  #count = 0;
  /** Where the arena ends without the draft. */
  #committed = 0;

  constructor(onBatch: (batch: EntryBatch) => void) {
    this.#onBatch = onBatch;
  }

  /** A new draft; what an uncommitted one has put into the arena goes. */
  begin(): EntryDraft {
    this.arena.length = this.#committed;
    this.draft.reset();
    return this.draft;
  }

  /** Makes the draft an entry. */
  commit(): void {
    const { draft } = this;
    const columns = this.#columns;
    const at = this.#count++;
    columns.types[at] = draft.type;
    columns.modes[at] = draft.mode;
    columns.uids[at] = draft.uid;
    columns.gids[at] = draft.gid;
    columns.mtimeSeconds[at] = draft.mtimeSeconds;
    columns.mtimeNanoseconds[at] = draft.mtimeNanoseconds;
    columns.sizes[at] = draft.size;
    columns.bodies[at] = draft.body;
    columns.deviceMajors[at] = draft.deviceMajor;
    columns.deviceMinors[at] = draft.deviceMinor;
    columns.pathOffsets[at] = draft.pathAt;
    columns.pathLengths[at] = draft.pathLength;
    columns.linkOffsets[at] = draft.linkAt;
    columns.linkLengths[at] = draft.linkLength;
    columns.xattrOffsets[at] = draft.xattrsAt;
    columns.xattrLengths[at] = draft.xattrsLength;
    this.#committed = this.arena.length;
    if (this.#count === BATCH_ENTRIES || this.#committed >= BATCH_BYTES) this.flush();
  }

  /** Hands on what there is. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    const columns = this.#columns;
    const batch: EntryBatch = {
      count,
      types: columns.types.slice(0, count),
      modes: columns.modes.slice(0, count),
      uids: columns.uids.slice(0, count),
      gids: columns.gids.slice(0, count),
      mtimeSeconds: columns.mtimeSeconds.slice(0, count),
      mtimeNanoseconds: columns.mtimeNanoseconds.slice(0, count),
      sizes: columns.sizes.slice(0, count),
      bodies: columns.bodies.slice(0, count),
      deviceMajors: columns.deviceMajors.slice(0, count),
      deviceMinors: columns.deviceMinors.slice(0, count),
      pathOffsets: columns.pathOffsets.slice(0, count),
      pathLengths: columns.pathLengths.slice(0, count),
      linkOffsets: columns.linkOffsets.slice(0, count),
      linkLengths: columns.linkLengths.slice(0, count),
      xattrOffsets: columns.xattrOffsets.slice(0, count),
      xattrLengths: columns.xattrLengths.slice(0, count),
      bytes: this.arena.bytes.slice(0, this.#committed),
    };
    this.#count = 0;
    this.#committed = 0;
    this.arena.length = 0;
    this.#onBatch(batch);
  }
}

function emptyColumns(): EntryBatch {
  const u32 = (): Uint32Array => new Uint32Array(BATCH_ENTRIES);
  const f64 = (): Float64Array => new Float64Array(BATCH_ENTRIES);
  return {
    count: 0,
    types: new Uint8Array(BATCH_ENTRIES),
    modes: new Uint16Array(BATCH_ENTRIES),
    uids: u32(),
    gids: u32(),
    mtimeSeconds: f64(),
    mtimeNanoseconds: u32(),
    sizes: f64(),
    bodies: f64(),
    deviceMajors: u32(),
    deviceMinors: u32(),
    pathOffsets: u32(),
    pathLengths: u32(),
    linkOffsets: u32(),
    linkLengths: u32(),
    xattrOffsets: u32(),
    xattrLengths: u32(),
    bytes: new Uint8Array(0),
  };
}
