import type { FileHandle } from "node:fs/promises";
import type { ErrorCode, ErrorContext } from "../errors.ts";
import { ImportError, printable } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { ArchiveIndex, ArchiveMember } from "./archive-index.ts";
import { shownName } from "./archive-index.ts";
import type { BlobStreamOptions } from "./blob-stream.ts";
import { streamOfFilePart } from "./blob-stream.ts";
import type { ByteStream } from "./image-source.ts";
import type { FileHolder } from "./regular-file.ts";
import { openRegularFile, readFailure, readFully } from "./regular-file.ts";
import { scanArchive } from "./scan-archive.ts";

const HOLDER: FileHolder = {
  name: "archive",
  whenMissing: "Check the path.",
  whenNotRegular:
    "An archive is read at many places at once, which pipes and devices cannot be: write it to a file first.",
  damage: "ERR_ARCHIVE_INVALID",
};
const HINT = "Write the archive again, and check that it was copied whole.";

/** First bytes of what archives are compressed with, and the command that undoes it. */
const COMPRESSIONS = [
  { name: "gzip", magic: [0x1f, 0x8b], command: "gunzip --keep" },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], command: "zstd --decompress" },
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], command: "unxz --keep" },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], command: "bunzip2 --keep" },
] as const;
const MAGIC_BYTES = 6;

/**
 * Opens a tar archive of images for reading at positions. A compressed one is refused: layers are read side by side, and
 * there is no room here to unpack it to.
 * @param label how messages name it: `docker-archive:FILE`
 * @throws ImportError ERR_ARCHIVE_INVALID, and as `openRegularFile`
 */
export async function openImageArchive(path: string, label: string): Promise<ImageArchive> {
  const file = await openRegularFile(path, `the archive ${printable(path)}`, HOLDER);
  try {
    const head = new Uint8Array(MAGIC_BYTES);
    await readFully(file.handle, head, 0);
    const found = COMPRESSIONS.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
    if (found !== undefined) {
      throw archiveFault(label)(
        "ERR_ARCHIVE_INVALID",
        `it is compressed with ${found.name}, and its layers cannot be read side by side`,
        { hint: `Unpack it first: ${found.command} ${printable(path, 4096)}` },
      );
    }
  } catch (error) {
    await file.handle.close();
    throw readFailure(error, path, `the archive ${printable(path)}`, HOLDER);
  }
  return new ImageArchive(path, { ...file, label });
}

type ArchiveFault = (code: ErrorCode, problem: string, context?: ErrorContext) => ImportError;

/** Archives are read by the reader of layers, whose damage is not that of a layer here. */
function archiveFault(label: string): ArchiveFault {
  return (code, problem, context = {}) =>
    new ImportError(
      code === "ERR_LAYER_CORRUPT" ? "ERR_ARCHIVE_INVALID" : code,
      `${label} cannot be read: ${problem}`,
      { hint: HINT, ...context },
    );
}

/** An open archive. `scan` comes before everything else. */
export class ImageArchive {
  readonly label: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #sizeBytes: number;
  readonly #fault: ArchiveFault;
  #index: ArchiveIndex | undefined;

  constructor(
    path: string,
    file: { readonly handle: FileHandle; readonly sizeBytes: number; readonly label: string },
  ) {
    this.#path = path;
    this.#handle = file.handle;
    this.#sizeBytes = file.sizeBytes;
    this.label = file.label;
    this.#fault = archiveFault(file.label);
  }

  /** Reads all headers, once. @throws ImportError as `scanArchive` */
  async scan(limits: Limits, signal: AbortSignal): Promise<void> {
    this.#index ??= await scanArchive(
      { sizeBytes: this.#sizeBytes, read: (target, position) => this.#read(target, position) },
      { fault: this.#fault, limits, signal },
    );
  }

  has(name: string): boolean {
    return this.#scanned().has(name);
  }

  /** @param what how the message names it @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_ARCHIVE_INVALID */
  find(name: string, what: string): ArchiveMember {
    const index = this.#scanned();
    const member = index.find(name);
    if (member !== undefined) return member;
    const cut = index.complete ? "" : "; it has no end marker, so it may have been cut";
    throw new ImportError(
      "ERR_IMAGE_NOT_FOUND",
      `${what} is missing: the archive has no file ${shownName(name)}${cut}`,
      { hint: HINT, details: { path: printable(this.#path) } },
    );
  }

  /**
   * At most `maxBytes` of a document that nothing but its name tells from others. Attack: two of one name, of which
   * readers that unpack take the last, and readers that search the first.
   * @throws ImportError ERR_IMAGE_NOT_FOUND, ERR_ARCHIVE_INVALID, ERR_STORE_IO
   */
  async readDocument(name: string, maxBytes: number, what: string): Promise<Uint8Array> {
    const member = this.find(name, what);
    if (member.ambiguous) {
      throw this.#fault("ERR_ARCHIVE_INVALID", `"${shownName(name)}" is there twice`);
    }
    return this.readMember(member, maxBytes);
  }

  /** At most `maxBytes` of what a digest will be compared with. @throws ImportError ERR_STORE_IO */
  async readMember(member: ArchiveMember, maxBytes: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(member.sizeBytes, maxBytes));
    await this.#read(bytes, member.start);
    return bytes;
  }

  /** Streams of one archive may be read side by side. */
  stream(member: ArchiveMember, options: BlobStreamOptions): ByteStream {
    const { start, sizeBytes } = member;
    const part = { path: this.#path, handle: this.#handle, start, sizeBytes, ownsFile: false };
    return streamOfFilePart(part, options);
  }

  /** After reads that are under way. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  #scanned(): ArchiveIndex {
    if (this.#index === undefined) throw new Error("an archive is looked into before its scan");
    return this.#index;
  }

  async #read(target: Uint8Array, position: number): Promise<void> {
    const received = await readFully(this.#handle, target, position).catch((error: unknown) => {
      throw readFailure(error, this.#path, this.label, HOLDER);
    });
    if (received === target.length) return;
    throw this.#fault("ERR_ARCHIVE_INVALID", "it was cut while it was read", {
      hint: "Something else writes to it; wait until that is done.",
      details: { offsetBytes: position + received },
    });
  }
}
