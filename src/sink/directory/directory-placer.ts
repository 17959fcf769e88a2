import { closeSync } from "node:fs";
import { ImportError } from "../../errors.ts";
import { ioError } from "../io-error.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, openAt, OPEN_NEW_FILE, truncateFd, writeAt } from "../posix.ts";
import { openDirectory } from "../private-directory.ts";
import type {
  BodyAttributes,
  BodyPlacer,
  BodyRef,
  DirectoryPlacerPlan,
  LayerPlacement,
} from "../sink.ts";
import { isZeroWindow, ZERO_WINDOW } from "../zero-window.ts";
import { AttributeWriter, permissionsOf } from "./attributes.ts";
import { bodyRef } from "../body-ref.ts";
import { creationDefaults } from "./creation-defaults.ts";

const CLOSED = -1;

/**
 * Writes each body as a file of its own, named by its number: created with its mode, written, given owner, mode and times
 * while it is open, closed. A small file is one write, and nothing is set that it has already: for an ordinary file that
 * is four calls. Names, hard links and xattrs come at seal.
 */
export function createDirectoryPlacer(plan: DirectoryPlacerPlan): BodyPlacer {
  return new DirectoryPlacer(plan);
}

class DirectoryPlacer implements BodyPlacer {
  readonly #plan: DirectoryPlacerPlan;
  readonly #attributeWriter: AttributeWriter;
  readonly #name = new PathBuffer();
  #directoryFd: number;
  #fileFd = CLOSED;
  #number = -1;
  #size = 0;
  #position = 0;
  /** Where the file ends on the disk: after the last byte that was written, not skipped. */
  #writtenEnd = 0;
  #holes = false;
  #attributes: BodyAttributes | undefined;

  constructor(plan: DirectoryPlacerPlan) {
    this.#plan = plan;
    this.#attributeWriter = new AttributeWriter({
      sameOwner: plan.sameOwner,
      defaults: creationDefaults(),
    });
    this.#directoryFd = this.#io(() => openDirectory(plan.bodiesPath));
  }

  begin(sizeBytes: number, attributes: BodyAttributes): void {
    if (this.#fileFd !== CLOSED) throw new Error("a body begins before the one before has ended");
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = attributes;
    this.#attributes = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds };
    this.#number++;
    this.#size = sizeBytes;
    this.#position = 0;
    this.#writtenEnd = 0;
    this.#holes = false;
    const permissions = permissionsOf(this.#attributeWriter.policy, attributes) & 0o777;
    this.#name.setNumber(this.#number);
    this.#fileFd = this.#io(() =>
      openAt(this.#directoryFd, this.#name, OPEN_NEW_FILE, permissions),
    );
  }

  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#advance(chunk.length);
    const start = this.#position - chunk.length;
    if (this.#size < ZERO_WINDOW) this.#put(chunk, start);
    else this.#putSparse(chunk, start);
  }

  skip(sizeBytes: number): void {
    this.#advance(sizeBytes);
    if (sizeBytes > 0) this.#holes = true;
  }

  end(): BodyRef {
    if (this.#position !== this.#size) throw this.#wrongSize();
    const fd = this.#fileFd;
    const attributes = this.#attributes;
    if (fd === CLOSED || attributes === undefined) throw new Error("no body has begun");
    this.#io(() => {
      if (this.#writtenEnd !== this.#size) truncateFd(fd, this.#size);
      this.#attributeWriter.settleNewFile(fd, attributes);
      this.#fileFd = CLOSED;
      closeFd(fd);
    });
    return bodyRef(this.#plan.firstBody, this.#number, this.#holes);
  }

  finish(): LayerPlacement {
    return { kind: "directory" };
  }

  close(): void {
    const fds = [this.#fileFd, this.#directoryFd];
    this.#fileFd = CLOSED;
    this.#directoryFd = CLOSED;
    for (const fd of fds) if (fd !== CLOSED) closeSync(fd);
  }

  /** Writes the parts between windows that are zero throughout and aligned in the file. */
  #putSparse(chunk: Uint8Array, start: number): void {
    let dataFrom = 0;
    const firstWindow = (ZERO_WINDOW - (start % ZERO_WINDOW)) % ZERO_WINDOW;
    for (let at = firstWindow; at + ZERO_WINDOW <= chunk.length; at += ZERO_WINDOW) {
      if (!isZeroWindow(chunk, at)) continue;
      if (at > dataFrom) this.#put(chunk.subarray(dataFrom, at), start + dataFrom);
      dataFrom = at + ZERO_WINDOW;
      this.#holes = true;
    }
    if (dataFrom === 0) this.#put(chunk, start);
    else if (dataFrom < chunk.length) this.#put(chunk.subarray(dataFrom), start + dataFrom);
  }

  #put(bytes: Uint8Array, offset: number): void {
    this.#io(() => writeAt(this.#fileFd, bytes, offset));
    this.#writtenEnd = offset + bytes.length;
  }

  #advance(sizeBytes: number): void {
    if (this.#fileFd === CLOSED) throw new Error("no body has begun");
    this.#position += sizeBytes;
    if (this.#position > this.#size) throw this.#wrongSize();
  }

  #wrongSize(): ImportError {
    const message = `body ${this.#number} of layer ${this.#plan.layer + 1} has ${this.#position} bytes, its header says ${this.#size}`;
    return new ImportError("ERR_LAYER_CORRUPT", message, {
      hint: "The image is broken; ask its publisher to rebuild it.",
      details: { layer: this.#plan.layer + 1, sizeBytes: this.#size },
    });
  }

  #io<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write a file", this.#plan.bodiesPath);
    }
  }
}
