import { EntryType } from "./entry-batch.ts";
import { PaxKey } from "./pax-records.ts";
import { LINK_START, TypeFlag } from "./tar-header.ts";
import { WHITEOUT_PREFIX_BYTES, kindOfName, lastNameStart } from "./whiteout.ts";
import { appendCleanPath, lengthProblem } from "./clean-path.ts";
import { clampSeconds, parsePaxTime } from "./tar-numbers.ts";
import { appendEntryXattrs } from "./entry-xattrs.ts";
import { printable } from "../errors.ts";
import { limitDetails, raiseLimit } from "../limits.ts";
import { sparseForm } from "./gnu-sparse.ts";
import type { BatchBuilder, EntryDraft } from "./batch-builder.ts";
import type { ErrorCode, ImportError } from "../errors.ts";
import type { ExtensionHeaders } from "./extension-headers.ts";
import type { LayerFault } from "./fault.ts";
import type { LengthProblem } from "./clean-path.ts";
import type { Limits } from "../limits.ts";
import type { TarHeader } from "./tar-header.ts";

const SLASH = 0x2f;
/** 2^32 - 1 is -1 to chown: "unchanged". */
const LARGEST_ID = 2 ** 32 - 2;
/** Bytes of a hostile name that are looked at for a message. */
const LONGEST_SHOWN = 1000;
/** A target goes to the kernel in one call: PATH_MAX without its NUL, whatever `limits.linkTargetBytes` says. */
const LONGEST_TARGET = 4095;
/** Linux: 12 and 20 bits. */
const LARGEST_MAJOR = 2 ** 12 - 1;
const LARGEST_MINOR = 2 ** 20 - 1;

/** What becomes of an entry: a file with a body to place, a whiteout or nothing with a body to skip, or else. */
export type Disposition = "file" | "whiteout" | "left out" | "bodiless";

export interface EntryReaderOptions {
  readonly fault: LayerFault;
  readonly limits: Limits;
  readonly builder: BatchBuilder;
}

/**
 * Turns a header, with the extension headers before it, into the draft of an entry: names first, since they decide what
 * the entry is, then metadata, links, xattrs. Precedence as in Go: header, pax, GNU long name, `GNU.sparse.name`.
 */
export class EntryReader {
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  readonly #builder: BatchBuilder;
  readonly #time = { seconds: 0, nanoseconds: 0 };
  /** The name as it stands in the archive, for messages. */
  #name: Uint8Array = new Uint8Array(0);
  #nameAt = 0;
  #nameEnd = 0;

  constructor({ fault, limits, builder }: EntryReaderOptions) {
    this.#fault = fault;
    this.#limits = limits;
    this.#builder = builder;
  }

  /** Fills the builder's draft. Numbers and the typeflag of `header` are corrected where an extension header says more. */
  read(header: TarHeader, extensions: ExtensionHeaders): Disposition {
    const entry = this.#builder.begin();
    if (extensions.pending) this.#applyPaxNumbers(header, extensions);
    this.#chooseName(header, extensions);
    if (header.size < 0) throw this.fault("ERR_LAYER_CORRUPT", "has a negative size");
    this.#appendPath(entry);
    const { arena } = this.#builder;
    const kind = kindOfName(arena.bytes, entry.pathAt, arena.length);
    if (kind !== "object") return this.#takeWhiteout(entry, kind);
    this.#setType(entry, header.typeflag);
    this.#setMetadata(entry, header);
    if (entry.type === EntryType.symlink || entry.type === EntryType.hardlink) {
      this.#appendLink(entry, header, extensions);
    }
    if (extensions.pax.xattrs.length > 0) this.#appendXattrs(entry, extensions);
    return entry.type === EntryType.file ? "file" : "bodiless";
  }

  /** An error about the present entry: its name before the problem. */
  readonly fault: LayerFault = (code, problem, context = {}) => {
    const raw = this.#name.subarray(this.#nameAt, this.#nameEnd);
    const path = printable(raw.subarray(0, LONGEST_SHOWN));
    const details = { path, ...context.details };
    return this.#fault(code, `"${path}" ${problem}`, { ...context, details });
  };

  #applyPaxNumbers(header: TarHeader, { pax }: ExtensionHeaders): void {
    const number = (key: PaxKey, present: number, name: string): number => {
      if (!pax.has(key)) return present;
      const value = pax.number(key);
      if (Number.isFinite(value)) return value;
      throw this.#fault("ERR_LAYER_CORRUPT", `a pax ${name} that is not a number of 64 bits`);
    };
    header.size = number(PaxKey.size, header.size, "size");
    header.uid = number(PaxKey.uid, header.uid, "uid");
    header.gid = number(PaxKey.gid, header.gid, "gid");
    this.#checkTime(pax, PaxKey.atime, "atime");
    this.#checkTime(pax, PaxKey.ctime, "ctime");
    if (!this.#checkTime(pax, PaxKey.mtime, "mtime")) return;
    header.mtimeSeconds = this.#time.seconds;
    header.mtimeNanoseconds = this.#time.nanoseconds;
  }

  /** @returns whether there is one, which `#time` then holds */
  #checkTime(pax: ExtensionHeaders["pax"], key: PaxKey, name: string): boolean {
    if (!pax.has(key)) return false;
    if (parsePaxTime(pax.bytes, pax.start(key), pax.end(key), this.#time)) return true;
    throw this.#fault("ERR_LAYER_CORRUPT", `a pax ${name} that is no time`);
  }

  #chooseName(header: TarHeader, { pax, longName, pending }: ExtensionHeaders): void {
    this.#useName(header.name, 0, header.nameLength);
    if (pending && longName.length > 0) this.#useName(longName, 0, longName.length);
    else if (pending && pax.has(PaxKey.path)) this.#usePaxName(pax, PaxKey.path);
    // Archives older than ustar have no type for directories.
    if (header.typeflag === TypeFlag.oldFile) {
      const directory = this.#nameEnd > this.#nameAt && this.#name[this.#nameEnd - 1] === SLASH;
      header.typeflag = directory ? TypeFlag.directory : TypeFlag.file;
    }
    if (pending && pax.has(PaxKey.sparseName) && sparseForm(pax) !== "none") {
      this.#usePaxName(pax, PaxKey.sparseName);
    }
  }

  #usePaxName(pax: ExtensionHeaders["pax"], key: PaxKey): void {
    this.#useName(pax.bytes, pax.start(key), pax.end(key));
  }

  #useName(bytes: Uint8Array, start: number, end: number): void {
    this.#name = bytes;
    this.#nameAt = start;
    this.#nameEnd = end;
  }

  #appendPath(entry: EntryDraft): void {
    const { arena } = this.#builder;
    entry.pathAt = arena.length;
    const problem = appendCleanPath(arena, this.#name, this.#nameAt, this.#nameEnd);
    if (problem === "ERR_PATH_ESCAPE") throw this.fault(problem, "leaves the root");
    if (problem !== undefined) throw this.fault(problem, "has a NUL in its name");
    const long = lengthProblem(arena.bytes, entry.pathAt, arena.length, this.#limits);
    if (long !== undefined) throw this.#tooLong(long, "has");
    entry.pathLength = arena.length - entry.pathAt;
  }

  #takeWhiteout(entry: EntryDraft, kind: ReturnType<typeof kindOfName>): Disposition {
    const { arena } = this.#builder;
    if (kind === "aufs") return "left out";
    if (kind === "names its directory" || kind === "names its parent") {
      const escapes = kind === "names its parent";
      const code = escapes ? "ERR_PATH_ESCAPE" : "ERR_LAYER_CORRUPT";
      throw this.fault(code, `is a whiteout of its ${escapes ? "parent" : "own"} directory`);
    }
    const nameAt = lastNameStart(arena.bytes, entry.pathAt, arena.length);
    if (kind === "opaque") {
      entry.type = EntryType.opaque;
      // Without the slash, where there is one.
      arena.length = Math.max(entry.pathAt, nameAt - 1);
    } else {
      entry.type = EntryType.whiteout;
      arena.bytes.copyWithin(nameAt, nameAt + WHITEOUT_PREFIX_BYTES, arena.length);
      arena.length -= WHITEOUT_PREFIX_BYTES;
    }
    entry.pathLength = arena.length - entry.pathAt;
    return "whiteout";
  }

  #setType(entry: EntryDraft, typeflag: number): void {
    const type = typeOfFlag(typeflag);
    if (type === undefined) {
      const flag = printable(Uint8Array.of(typeflag));
      throw this.fault("ERR_LAYER_CORRUPT", `has the unknown type "${flag}"`);
    }
    // Attack: the root becomes a link, and what follows goes where it points (CVE-2021-29136 in umoci).
    if (entry.pathLength === 0 && type !== EntryType.directory) {
      throw this.fault("ERR_LAYER_CORRUPT", "names the root, which must stay a directory");
    }
    entry.type = type;
  }

  #setMetadata(entry: EntryDraft, header: TarHeader): void {
    // Attack: 2^32 cut to 32 bits is root.
    if (!(isUpTo(header.uid, LARGEST_ID) && isUpTo(header.gid, LARGEST_ID))) {
      throw this.fault("ERR_LAYER_CORRUPT", "has an owner or group out of range");
    }
    entry.uid = header.uid;
    entry.gid = header.gid;
    entry.mode = header.mode & 0o7777;
    entry.mtimeSeconds = clampSeconds(header.mtimeSeconds);
    entry.mtimeNanoseconds = header.mtimeNanoseconds;
    if (entry.type !== EntryType.character && entry.type !== EntryType.block) return;
    if (!(isUpTo(header.deviceMajor, LARGEST_MAJOR) && isUpTo(header.deviceMinor, LARGEST_MINOR))) {
      throw this.fault("ERR_LAYER_CORRUPT", "has device numbers out of range");
    }
    entry.deviceMajor = header.deviceMajor;
    entry.deviceMinor = header.deviceMinor;
  }

  #appendLink(entry: EntryDraft, header: TarHeader, extensions: ExtensionHeaders): void {
    const { pax, longLink } = extensions;
    if (longLink.length > 0) this.#appendTarget(entry, longLink, 0, longLink.length);
    else if (pax.has(PaxKey.linkpath)) {
      this.#appendTarget(entry, pax.bytes, pax.start(PaxKey.linkpath), pax.end(PaxKey.linkpath));
    } else this.#appendTarget(entry, header.block, LINK_START, header.linkEnd);
  }

  #appendTarget(entry: EntryDraft, bytes: Uint8Array, start: number, end: number): void {
    const { arena } = this.#builder;
    entry.linkAt = arena.length;
    if (entry.type === EntryType.symlink) {
      if (end === start) throw this.fault("ERR_LAYER_CORRUPT", "is a symlink without a target");
      this.#requireShortTarget(end - start);
      arena.append(bytes.subarray(start, end));
    } else {
      this.#appendHardLinkTarget(entry, bytes.subarray(start, end));
    }
    entry.linkLength = arena.length - entry.linkAt;
  }

  /** A path like any other: it can only name what this import has made. Attack: a hard link to `../../etc/shadow`. */
  #appendHardLinkTarget(entry: EntryDraft, target: Uint8Array): void {
    const { arena } = this.#builder;
    const problem = appendCleanPath(arena, target, 0, target.length);
    const refuse = (code: ErrorCode, what: string): ImportError => {
      const shown = printable(target.subarray(0, LONGEST_SHOWN));
      return this.fault(code, `is a hard link to "${shown}", which ${what}`);
    };
    if (problem === "ERR_PATH_ESCAPE") throw refuse(problem, "leaves the root");
    if (problem !== undefined) throw refuse(problem, "has a NUL");
    if (arena.length === entry.linkAt) {
      throw refuse("ERR_LINK_TARGET_MISSING", "is the root directory");
    }
    const long = lengthProblem(arena.bytes, entry.linkAt, arena.length, this.#limits);
    if (long !== undefined) throw this.#tooLong(long, "is a hard link to");
  }

  #requireShortTarget(value: number): void {
    const most = Math.min(this.#limits.linkTargetBytes, LONGEST_TARGET);
    if (value <= most) return;
    const problem = `is a symlink with a target of ${value} bytes; the limit is ${most}`;
    throw this.fault("ERR_NAME_TOO_LONG", problem, {
      details: limitDetails("linkTargetBytes", value, this.#limits),
    });
  }

  #tooLong({ limit, value }: LengthProblem, verb: string): ImportError {
    const what = limit === "pathBytes" ? "a path" : "a name in its path";
    const problem = `${verb} ${what} of ${value} bytes; the limit is ${this.#limits[limit]}`;
    return this.fault("ERR_NAME_TOO_LONG", problem, {
      details: limitDetails(limit, value, this.#limits),
      // No file system holds a longer component; longer paths can be had, one directory after the other.
      ...(limit === "pathBytes" ? { hint: raiseLimit(limit) } : {}),
    });
  }

  #appendXattrs(entry: EntryDraft, { pax }: ExtensionHeaders): void {
    const { arena } = this.#builder;
    entry.xattrsAt = arena.length;
    const owner = { type: entry.type, limits: this.#limits, fault: this.fault };
    appendEntryXattrs(arena, pax.xattrs, owner);
    entry.xattrsLength = arena.length - entry.xattrsAt;
  }
}

function typeOfFlag(typeflag: number): EntryType | undefined {
  switch (typeflag) {
    case TypeFlag.file:
    case TypeFlag.contiguous:
    case TypeFlag.gnuSparse:
      return EntryType.file;
    case TypeFlag.hardlink:
      return EntryType.hardlink;
    case TypeFlag.symlink:
      return EntryType.symlink;
    case TypeFlag.character:
      return EntryType.character;
    case TypeFlag.block:
      return EntryType.block;
    case TypeFlag.directory:
      return EntryType.directory;
    case TypeFlag.fifo:
      return EntryType.fifo;
    default:
      return undefined;
  }
}

const isUpTo = (value: number, largest: number): boolean => value >= 0 && value <= largest;
