import { closeSync } from "node:fs";
import { ioError } from "../io-error.ts";
import { OpenBody } from "../open-body.ts";
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
import { cutAtZeroWindows, ZERO_WINDOW, type ChunkParts } from "../zero-window.ts";
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
  readonly #body: OpenBody;
  #directoryFd: number;
  #fileFd = CLOSED;
  /** Where the file ends on the disk: after the last byte that was written, not skipped. */
  #writtenEnd = 0;
  #holes = false;
  #attributes: BodyAttributes | undefined;
  /** Where the next part of the chunk belongs. */
  #offset = 0;
  readonly #parts: ChunkParts = {
    onData: (bytes) => this.#put(bytes),
    onHole: (sizeBytes) => this.#leaveHole(sizeBytes),
  };

  constructor(plan: DirectoryPlacerPlan) {
    this.#plan = plan;
    this.#body = new OpenBody(plan.layer);
    this.#attributeWriter = new AttributeWriter({
      sameOwner: plan.sameOwner,
      defaults: creationDefaults(),
    });
    this.#directoryFd = this.#io(() => openDirectory(plan.bodiesPath));
  }

  begin(sizeBytes: number, attributes: BodyAttributes): void {
    this.#body.begin(sizeBytes);
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = attributes;
    this.#attributes = { mode, uid, gid, mtimeSeconds, mtimeNanoseconds };
    this.#writtenEnd = 0;
    this.#holes = false;
    const permissions = permissionsOf(this.#attributeWriter.policy, attributes) & 0o777;
    this.#name.setNumber(this.#body.number);
    this.#fileFd = this.#io(() =>
      openAt(this.#directoryFd, this.#name, OPEN_NEW_FILE, permissions),
    );
  }

  write(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#offset = this.#body.advance(chunk.length);
    if (this.#body.size < ZERO_WINDOW) this.#put(chunk);
    else cutAtZeroWindows(chunk, this.#offset, this.#parts);
  }

  skip(sizeBytes: number): void {
    this.#body.advance(sizeBytes);
    if (sizeBytes > 0) this.#holes = true;
  }

  end(): BodyRef {
    this.#body.end();
    const fd = this.#fileFd;
    const attributes = this.#attributes;
    if (fd === CLOSED || attributes === undefined) throw new Error("no body has begun");
    this.#io(() => {
      if (this.#writtenEnd !== this.#body.size) truncateFd(fd, this.#body.size);
      this.#attributeWriter.settleNewFile(fd, attributes);
      this.#fileFd = CLOSED;
      closeFd(fd);
    });
    return bodyRef(this.#plan.firstBody, this.#body.number, this.#holes);
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

  #put(bytes: Uint8Array): void {
    this.#io(() => writeAt(this.#fileFd, bytes, this.#offset));
    this.#offset += bytes.length;
    this.#writtenEnd = this.#offset;
  }

  #leaveHole(sizeBytes: number): void {
    this.#offset += sizeBytes;
    this.#holes = true;
  }

  #io<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, "write a file", this.#plan.bodiesPath);
    }
  }
}
