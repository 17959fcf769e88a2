import { closeSync, existsSync, mkdirSync } from "node:fs";
import { ImportError } from "../../errors.ts";
import type { RootfsTree } from "../../rootfs/rootfs-tree.ts";
import { errnoOf, ioError } from "../io-error.ts";
import { posixAvailable } from "../posix.ts";
import { makePrivateDirectory, openDirectory } from "../private-directory.ts";
import { removeTreeInSteps } from "../remove-tree.ts";
import type { DirectoryPlacerPlan, LayerOrder, SealContext, SealedRootfs, Sink } from "../sink.ts";
import { firstBodyOf } from "../body-ref.ts";
import { planPath } from "./plan-path.ts";
import { creationDefaults } from "./creation-defaults.ts";
import { sealDirectory } from "./directory-seal.ts";
import { probeFileSystem, type FileSystemTraits } from "./file-system-traits.ts";

export interface DirectorySinkOptions {
  /** The directory that will be the root filesystem: absolute, not there yet, its parent is. Bodies wait beside it, in `<rootfsPath>.bodies`. */
  readonly rootfsPath: string;
  /** Owners, devices and privileged xattrs exactly, or left out and listed. */
  readonly sameOwner: boolean;
  /** Default: whether the effective user is root. */
  readonly isRoot?: boolean;
  /** Told what the file system cannot keep of any entry. */
  readonly onWarning?: (warning: { readonly code: string; readonly message: string }) => void;
}

/** Writes the root filesystem as a directory of this machine. */
export function createDirectorySink(options: DirectorySinkOptions): Sink {
  return new DirectorySink(options);
}

class DirectorySink implements Sink {
  readonly #options: DirectorySinkOptions;
  readonly #rootfsPath: string;
  readonly #bodiesPath: string;
  /** What this sink has made, and `abort` removes; never something that was there before. */
  readonly #made: string[] = [];
  #traits: FileSystemTraits | undefined;
  #plans = 0;

  constructor(options: DirectorySinkOptions) {
    this.#options = options;
    this.#rootfsPath = options.rootfsPath;
    this.#bodiesPath = `${options.rootfsPath}.bodies`;
  }

  async prepare(): Promise<void> {
    const { sameOwner, onWarning } = this.#options;
    this.#requireRights();
    this.#make(this.#rootfsPath);
    this.#make(this.#bodiesPath);
    this.#traits = this.#io("try out the file system", () => {
      const fd = openDirectory(this.#bodiesPath);
      try {
        return probeFileSystem(fd, { sameOwner, place: this.#bodiesPath });
      } finally {
        closeSync(fd);
      }
    });
    if (!this.#traits.nanoseconds) {
      const message = `the file system at ${this.#rootfsPath} does not keep times to the nanosecond`;
      onWarning?.({ code: "times", message });
    }
  }

  begin(): LayerOrder {
    return "largest-first";
  }

  placerPlan(layer: number): DirectoryPlacerPlan {
    if (this.#traits === undefined) throw new Error("a sink is prepared before it places");
    const plan = this.#plans++;
    const bodiesPath = planPath(this.#bodiesPath, plan);
    this.#io("make a directory", () => mkdirSync(bodiesPath, { mode: 0o700 }));
    const { sameOwner } = this.#options;
    return { kind: "directory", layer, bodiesPath, firstBody: firstBodyOf(plan), sameOwner };
  }

  placed(): void {
    // A body's file says all there is to know.
  }

  startOver(): undefined {
    return undefined;
  }

  async seal(tree: RootfsTree, context: SealContext): Promise<SealedRootfs> {
    const traits = this.#traits;
    if (traits === undefined) throw new Error("a sink is prepared before it seals");
    const request = {
      rootfsPath: this.#rootfsPath,
      bodiesPath: this.#bodiesPath,
      sameOwner: this.#options.sameOwner,
      traits,
      plans: this.#plans,
    };
    return sealDirectory(request, tree, context);
  }

  async abort(): Promise<void> {
    for (const path of this.#made) {
      try {
        await removeTreeInSteps(path);
      } catch (error) {
        throw ioError(error, "remove what was written", path);
      }
    }
    this.#made.length = 0;
  }

  #requireRights(): void {
    const { sameOwner, isRoot = process.geteuid?.() === 0 } = this.#options;
    if (!posixAvailable() || !existsSync("/proc/self/fd")) {
      throw new ImportError(
        "ERR_NOT_PERMITTED",
        "a directory cannot be written on this system: it takes a 64-bit Linux with /proc, and koffi's binary for it",
        {
          hint: "Install with optional dependencies (npm ci) on x64, arm64, riscv64 or loong64 Linux, and mount /proc.",
        },
      );
    }
    if (!sameOwner || isRoot) return;
    throw new ImportError(
      "ERR_NOT_PERMITTED",
      "only root can write a directory with the owners, devices and attributes of the image",
      {
        hint: "Run as root, import a disk image, which needs no root (--format ext4), or pass --no-same-owner to write what this user may.",
      },
    );
  }

  #make(path: string): void {
    this.#io("make the staging place", () => {
      try {
        makePrivateDirectory(path, creationDefaults());
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        throw new ImportError("ERR_OUTPUT_EXISTS", `${path} exists already`, {
          hint: "Remove it, or choose another place with --output.",
          details: { path },
        });
      }
    });
    this.#made.push(path);
  }

  #io<T>(doing: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, doing, this.#rootfsPath);
    }
  }
}
