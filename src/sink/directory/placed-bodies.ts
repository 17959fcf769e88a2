import { statSync } from "node:fs";
import { mostOpenFiles } from "../most-open-files.ts";
import { PathBuffer } from "../path-buffer.ts";
import { closeFd, renameAt } from "../posix.ts";
import { openDirectory } from "../private-directory.ts";
import type { BodyRef } from "../sink.ts";
import { numberOf, planOf } from "../body-ref.ts";
import { planPath } from "./plan-path.ts";

const STAT_BLOCK = 512;

/** The bodies that the placers of all layers wrote, as a seal takes them. */
export class PlacedBodies {
  readonly #bodiesPath: string;
  readonly #number = new PathBuffer();
  readonly #directories = new Map<number, number>();

  constructor(bodiesPath: string) {
    this.#bodiesPath = bodiesPath;
  }

  move(body: BodyRef, dirFd: number, name: PathBuffer): void {
    renameAt(this.#directoryOf(body), this.#number.setNumber(numberOf(body)), dirFd, name);
  }

  /** Bytes that a body with holes occupies. */
  occupiedBytes(body: BodyRef): number {
    const path = `/proc/self/fd/${this.#directoryOf(body)}/${numberOf(body)}`;
    return statSync(path).blocks * STAT_BLOCK;
  }

  close(): void {
    for (const fd of this.#directories.values()) closeFd(fd);
    this.#directories.clear();
  }

  #directoryOf(body: BodyRef): number {
    const plan = planOf(body);
    const known = this.#directories.get(plan);
    if (known !== undefined) return known;
    // An image of a thousand layers has as many directories of bodies.
    if (this.#directories.size >= mostOpenFiles()) this.close();
    const fd = openDirectory(planPath(this.#bodiesPath, plan));
    this.#directories.set(plan, fd);
    return fd;
  }
}
