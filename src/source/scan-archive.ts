import { printable, throwIfCancelled } from "../errors.ts";
import { ExtensionHeaders, isExtension } from "../layer/extension-headers.ts";
import type { LayerFault } from "../layer/fault.ts";
import { sparseForm } from "../layer/gnu-sparse.ts";
import { PaxKey } from "../layer/pax-records.ts";
import {
  BLOCK_BYTES,
  isHeaderOnly,
  LINK_START,
  paddingAfter,
  TarHeader,
  TypeFlag,
} from "../layer/tar-header.ts";
import type { Limits } from "../limits.ts";
import { limitDetails, raiseLimit } from "../limits.ts";
import { ArchiveIndex } from "./archive-index.ts";
import { linkedName, memberName } from "./archive-names.ts";

/** Reads at positions, of an archive that is as long as it says. */
export interface ArchiveBytes {
  readonly sizeBytes: number;
  /** Fills the target. @throws ImportError */
  readonly read: (target: Uint8Array, position: number) => Promise<void>;
}

export interface ScanOptions {
  readonly fault: LayerFault;
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** What is read at once: a run of small members costs one read, a large one no more than this. */
const WINDOW_BYTES = 64 << 10;
const SLASH = 0x2f;

/**
 * One pass over the headers of a tar archive, bodies stepped over, by the reader of layers: names and places of its members.
 * An archive ends at two blocks of zeros, and what follows is not looked at; or at its last byte.
 * @throws ImportError ERR_ARCHIVE_INVALID (no archive, damaged, cut, or with a name that leads out of it),
 *   ERR_LIMIT_EXCEEDED, ERR_NAME_TOO_LONG, ERR_CANCELLED
 */
export function scanArchive(bytes: ArchiveBytes, options: ScanOptions): Promise<ArchiveIndex> {
  return new ArchiveScan(bytes, options).run();
}

class ArchiveScan {
  readonly #bytes: ArchiveBytes;
  readonly #fault: LayerFault;
  readonly #limits: Limits;
  readonly #signal: AbortSignal;
  readonly #header = new TarHeader();
  readonly #extensions: ExtensionHeaders;
  readonly #index: ArchiveIndex;
  readonly #window: Uint8Array;
  #windowAt = 0;
  #windowLength = 0;
  /** Where the next header begins. */
  #at = 0;

  constructor(bytes: ArchiveBytes, { fault, limits, signal }: ScanOptions) {
    this.#bytes = bytes;
    this.#fault = fault;
    this.#limits = limits;
    this.#signal = signal;
    this.#extensions = new ExtensionHeaders(fault, limits);
    this.#index = new ArchiveIndex(fault, limits);
    this.#window = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(bytes.sizeBytes, BLOCK_BYTES)));
  }

  async run(): Promise<ArchiveIndex> {
    while (await this.#readHeader()) {
      throwIfCancelled(this.#signal);
      const { typeflag } = this.#header;
      this.#at += BLOCK_BYTES;
      if (isExtension(typeflag)) await this.#takeExtension();
      else this.#takeEntry();
    }
    if (this.#extensions.pending && !this.#index.complete) {
      throw this.#cut("between an extension header and its entry");
    }
    return this.#index;
  }

  /** @returns false at the end of the archive */
  async #readHeader(): Promise<boolean> {
    if (this.#at >= this.#bytes.sizeBytes) return false;
    const start = this.#at;
    let problem = await this.#readBlock(start);
    if (problem === "zeros") {
      this.#index.complete = true;
      if (start + BLOCK_BYTES >= this.#bytes.sizeBytes) return false;
      if ((await this.#readBlock(start + BLOCK_BYTES)) === "zeros") return false;
      problem = "zeros";
    }
    if (problem === undefined) return true;
    if (start === 0) throw this.#bad("it is no tar archive");
    const what =
      problem === "zeros" ? "a header follows a single block of zeros" : `a header has ${problem}`;
    throw this.#bad(`${what} at byte ${start}`);
  }

  async #readBlock(at: number): Promise<ReturnType<TarHeader["read"]>> {
    if (at + BLOCK_BYTES > this.#bytes.sizeBytes) {
      // Also what a short file begins with that never was an archive.
      throw at === 0 ? this.#bad("it is no tar archive") : this.#cut("inside a header");
    }
    await this.#read(this.#header.block, at);
    return this.#header.read();
  }

  async #takeExtension(): Promise<void> {
    const { size, typeflag } = this.#header;
    this.#extensions.begin(typeflag, size);
    this.#requireFits(size, "inside an extension header");
    if (size > 0) {
      const body = new Uint8Array(size);
      await this.#read(body, this.#at);
      this.#extensions.take(body, 0);
    }
    this.#extensions.finish();
    this.#at += size + paddingAfter(size);
  }

  #takeEntry(): void {
    const { typeflag } = this.#header;
    const { pax, pending } = this.#extensions;
    const rawName = this.#rawName();
    const shown = printable(rawName.subarray(0, 1000));
    const isSparse = typeflag === TypeFlag.gnuSparse || (pending && sparseForm(pax) !== "none");
    if (isSparse) throw this.#bad(`"${shown}" is stored as a sparse file; write it without (-S)`);
    const sizeBytes = isHeaderOnly(typeflag) ? 0 : this.#size(shown);
    this.#requireFits(sizeBytes, `inside "${shown}"`);
    this.#requireShort(rawName, shown);
    const name = memberName(rawName);
    if (name === undefined) throw this.#bad(`"${shown}" is a name that leads out of it`);
    this.#add(name, rawName, sizeBytes);
    this.#extensions.clear();
    this.#at += sizeBytes + paddingAfter(sizeBytes);
  }

  /** Directories are not kept: a name with a slash needs none here. */
  #add(name: string, rawName: Uint8Array, sizeBytes: number): void {
    const { typeflag } = this.#header;
    const isOld = typeflag === TypeFlag.oldFile;
    // Archives older than ustar have no type for directories.
    if (typeflag === TypeFlag.directory || (isOld && rawName.at(-1) === SLASH)) return;
    if (isOld || typeflag === TypeFlag.file || typeflag === TypeFlag.contiguous) {
      this.#index.add(name, { kind: "file", start: this.#at, sizeBytes });
    } else if (typeflag === TypeFlag.symlink) {
      this.#index.add(name, { kind: "link", target: linkedName(name, this.#rawTarget()) });
    } else if (typeflag === TypeFlag.hardlink) {
      this.#index.add(name, { kind: "link", target: memberName(this.#rawTarget()) });
    } else {
      this.#index.add(name, { kind: "other" });
    }
  }

  /** Precedence as for the entries of a layer: header, pax, GNU long name. */
  #rawName(): Uint8Array {
    const { pax, longName, pending } = this.#extensions;
    if (pending && longName.length > 0) return longName;
    if (pending && pax.has(PaxKey.path)) {
      return pax.bytes.subarray(pax.start(PaxKey.path), pax.end(PaxKey.path));
    }
    return this.#header.name.subarray(0, this.#header.nameLength);
  }

  #rawTarget(): Uint8Array {
    const { pax, longLink } = this.#extensions;
    if (longLink.length > 0) return longLink;
    if (pax.has(PaxKey.linkpath)) {
      return pax.bytes.subarray(pax.start(PaxKey.linkpath), pax.end(PaxKey.linkpath));
    }
    return this.#header.block.subarray(LINK_START, this.#header.linkEnd);
  }

  #size(shown: string): number {
    const { pax, pending } = this.#extensions;
    if (!pending || !pax.has(PaxKey.size)) return this.#header.size;
    const size = pax.number(PaxKey.size);
    // Also false for NaN, which is what is no number.
    if (size >= 0) return size;
    throw this.#bad(`"${shown}" has a size that is none`);
  }

  #requireFits(sizeBytes: number, place: string): void {
    if (this.#at + sizeBytes > this.#bytes.sizeBytes) throw this.#cut(place);
  }

  #requireShort(name: Uint8Array, shown: string): void {
    const limits = this.#limits;
    if (name.length <= limits.pathBytes) return;
    const problem = `"${shown}" is a name of ${name.length} bytes; the limit is ${limits.pathBytes}`;
    throw this.#fault("ERR_NAME_TOO_LONG", problem, {
      hint: raiseLimit("pathBytes"),
      details: limitDetails("pathBytes", name.length, limits),
    });
  }

  #bad(problem: string): Error {
    return this.#fault("ERR_ARCHIVE_INVALID", problem, { details: { offsetBytes: this.#at } });
  }

  #cut(place: string): Error {
    const { sizeBytes } = this.#bytes;
    return this.#fault("ERR_ARCHIVE_INVALID", `it is cut: its ${sizeBytes} bytes end ${place}`, {
      hint: "It was not written or copied whole: do that again.",
      details: { offsetBytes: sizeBytes },
    });
  }

  /** Small reads come out of the window. */
  async #read(target: Uint8Array, at: number): Promise<void> {
    if (target.length > this.#window.length) {
      await this.#bytes.read(target, at);
      return;
    }
    const isInside =
      at >= this.#windowAt && at + target.length <= this.#windowAt + this.#windowLength;
    if (!isInside) {
      const length = Math.min(this.#window.length, this.#bytes.sizeBytes - at);
      await this.#bytes.read(this.#window.subarray(0, length), at);
      this.#windowAt = at;
      this.#windowLength = length;
    }
    const from = at - this.#windowAt;
    target.set(this.#window.subarray(from, from + target.length));
  }
}
